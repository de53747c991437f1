if(TARGET weft_trace)
  add_executable(decide_bench ${CMAKE_CURRENT_LIST_DIR}/decide_bench.cc)
  target_link_libraries(decide_bench PRIVATE weft_options weft_trace weft_plugin)
  target_compile_definitions(decide_bench PRIVATE WEFT_PLUGIN_FOLDER="${CMAKE_BINARY_DIR}/plugins")
  add_dependencies(decide_bench weft-sampler-adaptive weft-sampler-head weft-sampler-rate
    weft-sampler-tail)
endif()
