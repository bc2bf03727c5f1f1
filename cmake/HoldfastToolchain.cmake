# Compiler settings that every room shares, and holdfast_room(), which makes a room from its folders.
add_compile_options(-Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Werror)
add_compile_definitions(BOOST_ASIO_NO_DEPRECATED BOOST_ASIO_SEPARATE_COMPILATION BOOST_BEAST_SEPARATE_COMPILATION
                        SPDLOG_FMT_EXTERNAL)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # GCC 12 sees overlaps and dangling reads in its own inlined std::string that are not there.
  add_compile_options(-Wno-restrict -Wno-maybe-uninitialized -Wno-stringop-overflow -Wno-array-bounds)
endif()
if(HOLDFAST_SANITIZE)
  add_compile_options(-fsanitize=${HOLDFAST_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${HOLDFAST_SANITIZE})
  if(HOLDFAST_SANITIZE MATCHES "thread" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    add_compile_options(-Wno-tsan)  # Asio has a fence, which the sanitizer does not follow
  endif()
endif()

find_program(CCACHE ccache)
if(CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # Precompiled headers need the sloppiness; base_dir lets two checkouts share objects.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
      CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1 ${CCACHE})
  add_compile_options($<$<CXX_COMPILER_ID:GNU>:-fpch-preprocess>)
endif()

# holdfast_room(NAME DIR folder... [PCH header] LINK target...)
# One archive of all .cpp files of the folders; what it links is linked by whoever uses the room. The global properties
# HOLDFAST_ROOMS and HOLDFAST_LINK collect what libholdfast is made of and what it links.
function(holdfast_room name)
  cmake_parse_arguments(ROOM "" "PCH" "DIR;LINK" ${ARGN})
  set(sources "")
  foreach(dir IN LISTS ROOM_DIR)
    file(GLOB found CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/${dir}/*.cpp")
    list(APPEND sources ${found})
  endforeach()
  add_library(holdfast_${name} STATIC ${sources})
  target_include_directories(holdfast_${name} PUBLIC "${CMAKE_SOURCE_DIR}" "${CMAKE_SOURCE_DIR}/src/include")
  target_link_libraries(holdfast_${name} PUBLIC ${ROOM_LINK} Threads::Threads)
  if(ROOM_PCH)
    target_precompile_headers(holdfast_${name} PRIVATE "${CMAKE_SOURCE_DIR}/${ROOM_PCH}")
  endif()
  list(FILTER ROOM_LINK EXCLUDE REGEX "^holdfast_")
  set_property(GLOBAL APPEND PROPERTY HOLDFAST_ROOMS holdfast_${name})
  set_property(GLOBAL APPEND PROPERTY HOLDFAST_LINK ${ROOM_LINK})
endfunction()
