# The rooms as one library, shared and static, from the objects that they have compiled.
get_property(holdfast_rooms GLOBAL PROPERTY HOLDFAST_ROOMS)
get_property(holdfast_link GLOBAL PROPERTY HOLDFAST_LINK)
set(holdfast_objects "")
foreach(room IN LISTS holdfast_rooms)
  list(APPEND holdfast_objects "$<TARGET_OBJECTS:${room}>")
endforeach()

function(holdfast_library name kind)
  add_library(${name} ${kind} ${holdfast_objects})
  add_library(holdfast::${name} ALIAS ${name})
  set_target_properties(${name} PROPERTIES OUTPUT_NAME holdfast LINKER_LANGUAGE CXX)
  target_compile_features(${name} PUBLIC cxx_std_20)
  target_include_directories(${name} INTERFACE "$<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/src/include>"
                                               "$<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>")
  target_link_libraries(${name} PRIVATE ${holdfast_link} PUBLIC Threads::Threads tl::expected)
endfunction()

holdfast_library(holdfast SHARED)
set_target_properties(holdfast PROPERTIES VERSION ${PROJECT_VERSION} SOVERSION ${HOLDFAST_ABI}
                      LINK_DEPENDS "${CMAKE_SOURCE_DIR}/cmake/holdfast.map")
target_link_options(holdfast PRIVATE "LINKER:--version-script=${CMAKE_SOURCE_DIR}/cmake/holdfast.map")
holdfast_library(holdfast_static STATIC)
