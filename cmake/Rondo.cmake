# One target a folder. Sources are listed, never globbed.
#   rondo_library(NAME [TORCH] SOURCES ... [HEADERS ...] [DEPS public...] [PRIVATE_DEPS ...])
#   rondo_binary(NAME [TORCH] SOURCES ... DEPS ...)
#   rondo_test(NAME [TORCH] SOURCES ... DEPS ... [LABEL unit|integration|e2e|gpu] [TIMEOUT seconds])
# TORCH: the target's sources include torch and use its precompiled header. Such a target must not
# see protobuf headers (docs/adr/0001-pins-and-header-isolation.md).

add_library(rondo_flags INTERFACE)
target_include_directories(rondo_flags INTERFACE ${CMAKE_SOURCE_DIR})
# -Wrestrict is wrong about std::string in GCC 12 (GCC bug 105651). A user's release build does not
# stop at a warning; every other build does.
target_compile_options(rondo_flags INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wno-unused-parameter -Wno-missing-field-initializers>
  $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-Wno-restrict>
  $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<NOT:$<CONFIG:Release>>>:-Werror>)
target_compile_definitions(rondo_flags INTERFACE $<$<NOT:$<CONFIG:Release>>:_GLIBCXX_ASSERTIONS>)
if(CMAKE_UNITY_BUILD)  # Every source is included by another there, which this warning takes for a header.
  target_compile_options(rondo_flags INTERFACE
    $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-Wno-subobject-linkage>)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  target_compile_options(rondo_flags INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wthread-safety>)
endif()
if(RONDO_SANITIZE)
  target_compile_options(rondo_flags INTERFACE
    -fsanitize=${RONDO_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(rondo_flags INTERFACE -fsanitize=${RONDO_SANITIZE})
endif()

# The code under test is optimized; a test is compiled more often than it runs.
# With -pthread, as whoever links gRPC has it: a precompiled header wants the same for all.
set(RONDO_TEST_OPTIONS $<$<COMPILE_LANGUAGE:CXX>:-O0> $<$<COMPILE_LANGUAGE:CXX>:-pthread>)
file(WRITE ${CMAKE_BINARY_DIR}/test_pch.cc "// Carries the precompiled header of tests.\n")
add_library(rondo_test_pch STATIC ${CMAKE_BINARY_DIR}/test_pch.cc)
target_link_libraries(rondo_test_pch PRIVATE rondo_flags GTest::gmock)
target_compile_options(rondo_test_pch PRIVATE ${RONDO_TEST_OPTIONS})
target_precompile_headers(rondo_test_pch PRIVATE <gmock/gmock.h> <gtest/gtest.h>)

function(rondo_configure name is_torch)
  target_link_libraries(${name} PRIVATE rondo_flags)
  if(is_torch)
    target_link_libraries(${name} PRIVATE rondo_torch)
    target_precompile_headers(${name} REUSE_FROM rondo_torch_pch)
  endif()
endfunction()

function(rondo_library name)
  cmake_parse_arguments(ARG "TORCH" "" "SOURCES;HEADERS;DEPS;PRIVATE_DEPS" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  target_sources(${name} PUBLIC FILE_SET HEADERS BASE_DIRS ${CMAKE_SOURCE_DIR} FILES ${ARG_HEADERS})
  target_link_libraries(${name} PUBLIC ${ARG_DEPS} PRIVATE ${ARG_PRIVATE_DEPS})
  rondo_configure(${name} "${ARG_TORCH}")
  if(ARG_TORCH AND CMAKE_VERIFY_INTERFACE_HEADER_SETS)
    target_link_libraries(${name} INTERFACE rondo_torch)  # Elsewhere only by who says TORCH.
  endif()
endfunction()

function(rondo_binary name)
  cmake_parse_arguments(ARG "TORCH" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_DEPS})
  rondo_configure(${name} "${ARG_TORCH}")
endfunction()

function(rondo_test name)
  cmake_parse_arguments(ARG "TORCH" "LABEL;TIMEOUT" "SOURCES;DEPS" ${ARGN})
  if(NOT ARG_LABEL)
    set(ARG_LABEL unit)
  endif()
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 300)
  endif()
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_DEPS} GTest::gmock GTest::gtest_main)
  rondo_configure(${name} "${ARG_TORCH}")
  if(NOT ARG_TORCH)  # Torch's precompiled header has the build's own options.
    target_compile_options(${name} PRIVATE ${RONDO_TEST_OPTIONS})
    target_precompile_headers(${name} REUSE_FROM rondo_test_pch)
  endif()
  add_test(NAME ${name} COMMAND ${name} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(${name} PROPERTIES LABELS ${ARG_LABEL} TIMEOUT ${ARG_TIMEOUT}
    ENVIRONMENT RONDO_CACHE_DIR=${CMAKE_BINARY_DIR}/cache)
endfunction()
