# What `make bench-peers` runs beside weft and a Collector.
if(TARGET kafka_load)
  add_executable(otlp_post ${CMAKE_CURRENT_LIST_DIR}/peers/otlp_post.cc
    ${CMAKE_CURRENT_LIST_DIR}/kafka/otlp_load.cc)
  target_link_libraries(otlp_post PRIVATE weft_options fmt::fmt PkgConfig::HTTPLIB)
  add_custom_target(bench_peers DEPENDS otlp_post kafka_load weft-exporter-null)
endif()
