if(TARGET weft_stitch AND TARGET weft_plugin AND TARGET weft-correlator-thread)
  add_executable(stitch_bench ${CMAKE_CURRENT_LIST_DIR}/stitch_bench.cc
    ${CMAKE_CURRENT_LIST_DIR}/observation_load.cc)
  target_link_libraries(stitch_bench PRIVATE weft_options weft_stitch weft_plugin)
  target_compile_definitions(stitch_bench PRIVATE WEFT_PLUGIN_DIR="${CMAKE_BINARY_DIR}/plugins")
  add_dependencies(stitch_bench weft-correlator-context weft-correlator-thread)
endif()
