# The few functions that every CMakeLists.txt of weft uses. Warnings and sanitizers come from one
# interface target, so no folder sets flags of its own.

set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_C_STANDARD 11)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

find_program(WEFT_CCACHE ccache)
if(WEFT_CCACHE)
  set(CMAKE_C_COMPILER_LAUNCHER ${WEFT_CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${WEFT_CCACHE})
endif()
find_program(WEFT_MOLD mold)
if(WEFT_MOLD AND NOT WEFT_FUZZ)
  add_link_options(-fuse-ld=mold)
endif()

add_library(weft_options INTERFACE)
target_include_directories(weft_options INTERFACE ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR})
target_compile_options(weft_options INTERFACE
  -Wall -Wextra -Wshadow -Wconversion
  $<$<COMPILE_LANGUAGE:CXX>:-Wnon-virtual-dtor>
  # GCC 12 at -O3 sees an overlap in each assignment of a literal to a std::string (its PR105651).
  $<$<AND:$<COMPILE_LANG_AND_ID:CXX,GNU>,$<CONFIG:Release>>:-Wno-restrict>
  $<$<BOOL:${WEFT_WERROR}>:-Werror>)
if(WEFT_SANITIZE)
  add_compile_options(-fsanitize=${WEFT_SANITIZE} -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${WEFT_SANITIZE})
  # The system's libtbb is not instrumented, so the vptr check takes its tasks for other objects.
  if(WEFT_SANITIZE MATCHES undefined)
    add_compile_options(-fno-sanitize=vptr)
  endif()
endif()

# weft_library(weft_x SOURCES a.cc ... DEPS lib ...)
function(weft_library name)
  cmake_parse_arguments(A "" "" "SOURCES;DEPS" ${ARGN})
  if(A_SOURCES)
    add_library(${name} STATIC ${A_SOURCES})
    target_link_libraries(${name} PUBLIC weft_options ${A_DEPS})
  else()
    add_library(${name} INTERFACE)
    target_link_libraries(${name} INTERFACE weft_options ${A_DEPS})
  endif()
endfunction()

# weft_plugin(name SOURCES a.cc ... DEPS lib ...): build/<preset>/plugins/weft-<name>.so, everything
# hidden but weft_plugin_v1.
function(weft_plugin name)
  cmake_parse_arguments(A "" "" "SOURCES;DEPS" ${ARGN})
  add_library(weft-${name} MODULE ${A_SOURCES})
  target_link_libraries(weft-${name} PRIVATE weft_options ${A_DEPS})
  target_link_options(weft-${name} PRIVATE -Wl,--exclude-libs,ALL)
  set_target_properties(weft-${name} PROPERTIES PREFIX "" CXX_VISIBILITY_PRESET hidden
    C_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON
    LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/plugins)
  set_property(GLOBAL APPEND PROPERTY WEFT_PLUGIN_TARGETS weft-${name})
  install(TARGETS weft-${name} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/weft/plugins)
endfunction()

# weft_test(name SOURCES a_test.cc ... DEPS lib ... LABELS unit): one gtest binary, one ctest entry.
function(weft_test name)
  cmake_parse_arguments(A "" "TIMEOUT" "SOURCES;DEPS;LABELS;ENV" ${ARGN})
  if(NOT WEFT_BUILD_TESTS)
    return()
  endif()
  if(NOT A_TIMEOUT)
    set(A_TIMEOUT 120)
  endif()
  add_executable(${name} ${A_SOURCES})
  if(WEFT_SANITIZE MATCHES thread)
    target_sources(${name} PRIVATE ${CMAKE_SOURCE_DIR}/tests/support/c11_threads.cc)
  endif()
  target_link_libraries(${name} PRIVATE weft_options ${A_DEPS} GTest::gmock GTest::gtest_main)
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES LABELS "${A_LABELS}" TIMEOUT ${A_TIMEOUT}
    ENVIRONMENT "${A_ENV}")
  set_property(GLOBAL APPEND PROPERTY WEFT_TEST_TARGETS ${name})
endfunction()

# weft_fuzz(name SOURCES x_fuzz.cc DEPS lib CORPUS folder): with the fuzz preset a libFuzzer binary,
# else a test that replays the corpus.
function(weft_fuzz name)
  cmake_parse_arguments(A "" "CORPUS" "SOURCES;DEPS" ${ARGN})
  if(WEFT_FUZZ)
    add_executable(${name} ${A_SOURCES})
    target_link_libraries(${name} PRIVATE weft_options ${A_DEPS})
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  elseif(WEFT_BUILD_TESTS)
    add_executable(${name} ${A_SOURCES} ${CMAKE_SOURCE_DIR}/tests/support/fuzz_replay.cc)
    target_link_libraries(${name} PRIVATE weft_options ${A_DEPS})
    add_test(NAME ${name}_corpus COMMAND ${name} ${A_CORPUS})
    set_tests_properties(${name}_corpus PROPERTIES LABELS unit)
    set_property(GLOBAL APPEND PROPERTY WEFT_TEST_TARGETS ${name})
  endif()
endfunction()
