# How every target of Quire is compiled, and how a room declares its sources and tests.

# Warnings, sanitizers and include paths for a target of this repository.
function(quire_compile_options target)
  if(PROJECT_IS_TOP_LEVEL)
    target_compile_options(${target} PRIVATE
      -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror
      $<$<CXX_COMPILER_ID:GNU>:-Wno-attributes=clang::>
      $<$<CXX_COMPILER_ID:Clang>:-Wthread-safety -Wconsumed>)
  endif()
  if(QUIRE_SANITIZE)
    target_compile_options(${target} PRIVATE -fsanitize=${QUIRE_SANITIZE}
      -fno-omit-frame-pointer -fno-sanitize-recover=all)
    target_link_options(${target} PUBLIC -fsanitize=${QUIRE_SANITIZE})
  endif()
endfunction()

# quire_precompile(target header...): compiles the standard headers that nearly every source includes, and
# those given, once for all sources of a target. No source may rely on it: the lint preset builds without.
function(quire_precompile target)
  if(QUIRE_PRECOMPILE)
    target_precompile_headers(${target} PRIVATE
      <algorithm> <array> <atomic> <chrono> <cstdint> <cstring> <functional> <memory> <mutex> <optional>
      <span> <string> <string_view> <thread> <utility> <vector> ${ARGN})
  endif()
endfunction()

# quire_library(name): a library of the house, which the rooms that are added next belong to.
macro(quire_library name)
  add_library(${name})
  set(QUIRE_LIBRARY ${name})
  quire_compile_options(${name})
  quire_precompile(${name})
  target_compile_features(${name} PUBLIC cxx_std_23)
  target_include_directories(${name}
    PUBLIC $<BUILD_INTERFACE:${CMAKE_CURRENT_SOURCE_DIR}/include>
           $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>
    PRIVATE src)
  set_target_properties(${name} PROPERTIES
    VERSION ${PROJECT_VERSION}
    SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR}
    VERIFY_INTERFACE_HEADER_SETS ${PROJECT_IS_TOP_LEVEL})
endmacro()

# quire_sources(file...): adds sources of the room in the current folder to its library.
function(quire_sources)
  target_sources(${QUIRE_LIBRARY} PRIVATE ${ARGN})
endfunction()

# quire_public_headers(header...): headers under include/, installed with the library; each must compile
# alone (target all_verify_interface_header_sets).
function(quire_public_headers)
  set(files)
  foreach(header ${ARGN})
    list(APPEND files ${PROJECT_SOURCE_DIR}/include/${header})
  endforeach()
  target_sources(${QUIRE_LIBRARY} PUBLIC FILE_SET HEADERS BASE_DIRS ${PROJECT_SOURCE_DIR}/include FILES ${files})
endfunction()

# How every test program is compiled, and the precompiled headers of them all.
function(quire_test_options target)
  quire_compile_options(${target})
  # The library is what has to be fast; this builds a third faster, and with sanitizers twice as fast.
  if(QUIRE_SANITIZE)
    target_compile_options(${target} PRIVATE -O0)
  else()
    target_compile_options(${target} PRIVATE $<$<CONFIG:Release>:-O1>)
  endif()
  # g++ 12 sees faults inside std::string at -O1 that are none.
  target_compile_options(${target} PRIVATE $<$<CXX_COMPILER_ID:GNU>:-Wno-array-bounds -Wno-restrict -Wno-stringop-overflow>)
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/src)
  target_link_libraries(${target} PRIVATE quire GTest::gtest GTest::gmock GTest::gtest_main)
endfunction()

function(quire_test_headers)
  if(NOT TARGET quire_test_headers)
    file(WRITE ${PROJECT_BINARY_DIR}/quire_test_headers.cpp "")
    add_library(quire_test_headers OBJECT ${PROJECT_BINARY_DIR}/quire_test_headers.cpp)
    quire_test_options(quire_test_headers)
    quire_precompile(quire_test_headers <gtest/gtest.h> <gmock/gmock.h>)
  endif()
endfunction()

# quire_test(name SOURCES file... [LABELS label...] [LIBRARIES lib...] [TIMEOUT seconds]): one GoogleTest
# program, run as one ctest test. Labels: concurrency (runs under TSan), root (needs root), server (needs
# a real server), powercut.
function(quire_test name)
  if(NOT (PROJECT_IS_TOP_LEVEL AND QUIRE_BUILD_TESTS))
    return()
  endif()
  cmake_parse_arguments(ARG "" "TIMEOUT" "SOURCES;LABELS;LIBRARIES" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  quire_test_options(${name})
  target_link_libraries(${name} PRIVATE ${ARG_LIBRARIES})
  if(QUIRE_PRECOMPILE)
    quire_test_headers()
    target_precompile_headers(${name} REUSE_FROM quire_test_headers)
  endif()
  add_test(NAME ${name} COMMAND ${name})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 300)
  endif()
  set_tests_properties(${name} PROPERTIES LABELS "${ARG_LABELS}" TIMEOUT ${ARG_TIMEOUT})
endfunction()

# quire_compile_fail_test(name source flag...): a test that a source compiles, and that with QUIRE_MISUSE
# defined every line of it between `#ifdef QUIRE_MISUSE` and `#endif` does not.
function(quire_compile_fail_test name source)
  if(NOT (PROJECT_IS_TOP_LEVEL AND QUIRE_BUILD_TESTS))
    return()
  endif()
  add_test(NAME ${name}
    COMMAND python3 ${PROJECT_SOURCE_DIR}/cmake/compile_fail_test.py
            ${CMAKE_CURRENT_SOURCE_DIR}/${source} ${CMAKE_CXX_COMPILER} -std=c++23
            -I${PROJECT_SOURCE_DIR}/include -I${PROJECT_SOURCE_DIR}/src ${ARGN})
endfunction()
