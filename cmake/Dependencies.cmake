# Everything third-party, by find_package or pkg-config; nothing is downloaded (docs/dependencies.md).
find_package(Threads REQUIRED)
find_package(absl REQUIRED)
find_package(GTest REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(nlohmann_json REQUIRED)

if("proto" IN_LIST RONDO_PARTS)
  find_package(Protobuf REQUIRED)
  find_package(PkgConfig REQUIRED)
  find_package(gRPC REQUIRED)
endif()
if("server" IN_LIST RONDO_PARTS)
  find_package(SQLite3 REQUIRED)
endif()
if("client" IN_LIST RONDO_PARTS)
  find_package(CLI11 REQUIRED)
endif()
if("worker" IN_LIST RONDO_PARTS)
  include(Torch)
  # FAISS gets torch's OpenMP, and torch's BLAS where torch has the routine (Torch.cmake puts torch
  # first): otherwise OpenBLAS would serve torch as well, with threads that spin against torch's.
  find_library(RONDO_FAISS_LIBRARY faiss REQUIRED)
  find_library(RONDO_BLAS_LIBRARY blas REQUIRED)
  find_library(RONDO_LAPACK_LIBRARY lapack REQUIRED)
  find_path(RONDO_FAISS_INCLUDE_DIR faiss/Clustering.h REQUIRED)
  add_library(rondo_faiss INTERFACE)
  target_include_directories(rondo_faiss SYSTEM INTERFACE ${RONDO_FAISS_INCLUDE_DIR})
  target_link_libraries(rondo_faiss INTERFACE
    ${RONDO_FAISS_LIBRARY} ${RONDO_TORCH_DIR}/lib/libgomp.so.1 ${RONDO_LAPACK_LIBRARY}
    ${RONDO_BLAS_LIBRARY})
endif()
