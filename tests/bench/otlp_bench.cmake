if(TARGET weft_trace)
  add_executable(otlp_bench ${CMAKE_CURRENT_LIST_DIR}/otlp_bench.cc
    ${CMAKE_CURRENT_LIST_DIR}/kafka/otlp_load.cc)
  target_link_libraries(otlp_bench PRIVATE weft_options weft_otlp weft_publisher weft_trace weft_plugin
    fmt::fmt)
  target_compile_definitions(otlp_bench PRIVATE WEFT_PLUGIN_FOLDER="${CMAKE_BINARY_DIR}/plugins")
  add_dependencies(otlp_bench weft-sampler-tail)
endif()
