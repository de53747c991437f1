# What `make bench-kafka` runs beside weft: load, a plain consumer, an exporter into nothing.
if(TARGET weft_kafka_transport)
  add_executable(kafka_load ${CMAKE_CURRENT_LIST_DIR}/kafka/kafka_load.cc
    ${CMAKE_CURRENT_LIST_DIR}/kafka/otlp_load.cc ${CMAKE_CURRENT_LIST_DIR}/observation_load.cc)
  target_link_libraries(kafka_load PRIVATE weft_options weft_kafka_transport fmt::fmt)
  # As weft_plugin, but it is no part of the product.
  add_library(weft-exporter-null MODULE ${CMAKE_CURRENT_LIST_DIR}/kafka/null_exporter.cc)
  target_link_libraries(weft-exporter-null PRIVATE weft_options)
  set_target_properties(weft-exporter-null PROPERTIES PREFIX "" CXX_VISIBILITY_PRESET hidden
    LIBRARY_OUTPUT_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}/plugins)
  add_custom_target(bench_kafka DEPENDS kafka_load weft-exporter-null)
endif()
