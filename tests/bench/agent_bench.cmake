if(TARGET weft_ebpf)
  add_executable(agent_bench ${CMAKE_CURRENT_LIST_DIR}/agent_bench.cc)
  target_link_libraries(agent_bench PRIVATE weft_options weft_ebpf weft_publisher)
endif()
