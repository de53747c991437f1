if(TARGET weft_sink_sqlite)
  add_executable(sqlite_bench ${CMAKE_CURRENT_LIST_DIR}/sqlite_bench.cc)
  target_link_libraries(sqlite_bench PRIVATE weft_sink_sqlite)
endif()
