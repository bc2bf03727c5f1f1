# cmake --install: bin/holdfast, the libraries, the public headers, the CMake package and holdfast.pc.
# The two libraries are two export sets: what the static one links is looked for only by those who ask for it.
include(CMakePackageConfigHelpers)
set(holdfast_package "${CMAKE_INSTALL_LIBDIR}/cmake/holdfast")

install(TARGETS holdfast_main)
install(DIRECTORY src/include/holdfast TYPE INCLUDE FILES_MATCHING PATTERN "*.hpp")
install(TARGETS holdfast EXPORT holdfast)
install(TARGETS holdfast_static EXPORT holdfast_static)
install(EXPORT holdfast NAMESPACE holdfast:: FILE holdfastTargets.cmake DESTINATION "${holdfast_package}")
install(EXPORT holdfast_static NAMESPACE holdfast:: FILE holdfastStaticTargets.cmake DESTINATION "${holdfast_package}")

configure_package_config_file(cmake/holdfastConfig.cmake.in generated/holdfastConfig.cmake
                              INSTALL_DESTINATION "${holdfast_package}" NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(generated/holdfastConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES "${CMAKE_BINARY_DIR}/generated/holdfastConfig.cmake" "${CMAKE_BINARY_DIR}/generated/holdfastConfigVersion.cmake"
              cmake/FindCAF.cmake DESTINATION "${holdfast_package}")

file(RELATIVE_PATH holdfast_up "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")  # a tree that was moved still works
string(REGEX REPLACE "/$" "" holdfast_up "${holdfast_up}")
configure_file(cmake/holdfast.pc.in generated/holdfast.pc @ONLY)
install(FILES "${CMAKE_BINARY_DIR}/generated/holdfast.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
