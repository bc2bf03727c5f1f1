# Files that the server serves, compiled in: docs/errors/*.md and http/openapi.yaml.
file(GLOB holdfast_error_pages CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/docs/errors/*.md")
set(holdfast_assets_cpp "${CMAKE_BINARY_DIR}/generated/assets.cpp")
add_custom_command(
  OUTPUT "${holdfast_assets_cpp}"
  COMMAND ${CMAKE_COMMAND} "-DOUT=${holdfast_assets_cpp}" "-DROOT=${CMAKE_SOURCE_DIR}" -P
          "${CMAKE_SOURCE_DIR}/cmake/EmbedAssets.cmake"
  DEPENDS ${holdfast_error_pages} "${CMAKE_SOURCE_DIR}/http/openapi.yaml" "${CMAKE_SOURCE_DIR}/cmake/EmbedAssets.cmake"
  VERBATIM)
target_sources(holdfast_http PRIVATE "${holdfast_assets_cpp}")
# A literal may be longer than the 64 KiB that every compiler has to take.
set_source_files_properties("${holdfast_assets_cpp}" PROPERTIES SKIP_PRECOMPILE_HEADERS ON COMPILE_OPTIONS
                                                                                           -Wno-overlength-strings)
