# What `make bench-cost` runs the eBPF source and steady load with.
if(TARGET weft_ebpf AND WEFT_HAVE_BPF)
  add_executable(cost_probe ${CMAKE_CURRENT_LIST_DIR}/cost/cost_probe.cc)
  target_link_libraries(cost_probe PRIVATE weft_options weft_ebpf weft_transport PkgConfig::LIBBPF)
  add_executable(paced_load ${CMAKE_CURRENT_LIST_DIR}/cost/paced_load.cc)
  target_link_libraries(paced_load PRIVATE weft_options)
  add_custom_target(bench_cost DEPENDS cost_probe paced_load)
endif()
