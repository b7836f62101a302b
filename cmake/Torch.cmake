# LibTorch out of the PyPI wheel, by hand: find_package(Torch) defines targets that clash with the
# system's protobuf and overrides CUDA settings (docs/adr/0001-pins-and-header-isolation.md).
if(NOT EXISTS ${RONDO_TORCH_DIR}/include/ATen/ATen.h)
  message(FATAL_ERROR "RONDO_TORCH_DIR is \"${RONDO_TORCH_DIR}\", which holds no include/ATen/ATen.h; "
                      "run `make deps` and build with `make build`")
endif()
if(EXISTS ${RONDO_TORCH_DIR}/include/google/protobuf)
  message(FATAL_ERROR "${RONDO_TORCH_DIR}/include/google shadows the system's protobuf; `make deps` removes it")
endif()

add_library(rondo_torch INTERFACE)
target_include_directories(rondo_torch SYSTEM INTERFACE
  ${RONDO_TORCH_DIR}/include ${RONDO_TORCH_DIR}/include/torch/csrc/api/include)
target_compile_definitions(rondo_torch INTERFACE USE_C10D_GLOO USE_DISTRIBUTED)
# at::parallel_for is a plain loop where it is compiled without OpenMP.
target_compile_options(rondo_torch INTERFACE $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-fopenmp>)
target_link_directories(rondo_torch INTERFACE ${RONDO_TORCH_DIR}/lib)
target_link_options(rondo_torch INTERFACE
  -Wl,--allow-shlib-undefined -Wl,-rpath,${RONDO_TORCH_DIR}/lib
  # Before all other libraries: torch's own OpenMP and BLAS serve the whole process.
  LINKER:--push-state,--no-as-needed ${RONDO_TORCH_DIR}/lib/libtorch_cpu.so LINKER:--pop-state)
target_link_libraries(rondo_torch INTERFACE torch_cpu c10 ${RONDO_TORCH_DIR}/lib/libgomp.so.1)
if(RONDO_CUDA)
  target_compile_definitions(rondo_torch INTERFACE USE_C10D_NCCL RONDO_WITH_CUDA)
  target_link_libraries(rondo_torch INTERFACE
    -Wl,--no-as-needed torch_cuda c10_cuda torch -Wl,--as-needed)
endif()

file(WRITE ${CMAKE_BINARY_DIR}/torch_pch.cc "// Carries the precompiled header of torch.\n")
add_library(rondo_torch_pch STATIC ${CMAKE_BINARY_DIR}/torch_pch.cc)
target_link_libraries(rondo_torch_pch PRIVATE rondo_flags rondo_torch)
target_precompile_headers(rondo_torch_pch PRIVATE <ATen/ATen.h> <string> <vector> <memory>)
