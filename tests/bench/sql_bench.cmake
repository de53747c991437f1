# Not a part of `make bench`: it takes minutes and 2 GB of disk. `make bench-sql`.
if(TARGET weft_sink_sqlite)
  add_executable(bench_sql ${CMAKE_CURRENT_LIST_DIR}/sql_bench.cc)
  target_link_libraries(bench_sql PRIVATE weft_sink_sqlite)
endif()
