if(TARGET weft_trace)
  add_executable(trace_bench ${CMAKE_CURRENT_LIST_DIR}/trace_bench.cc)
  target_link_libraries(trace_bench PRIVATE weft_options weft_trace)
endif()
