# soma_add_plugin(NAME source...): a Soma plugin, libsoma_NAME.so, that exports its entry point and nothing else.
# Its code is compiled for x86-64-v3 without floating-point contraction, as the canonical numerics ask.
# Inside Soma's own tree the plugin goes to lib/soma of the build and the installation.
function(soma_add_plugin name)
  add_library(${name} MODULE ${ARGN})
  set_target_properties(${name} PROPERTIES
    PREFIX "libsoma_" CXX_STANDARD 20 CXX_STANDARD_REQUIRED ON CXX_EXTENSIONS OFF
    C_VISIBILITY_PRESET hidden CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
  target_link_libraries(${name} PRIVATE soma::sdk)
  target_compile_options(${name} PRIVATE -march=x86-64-v3 -ffp-contract=off)
  if(PROJECT_VERSION)
    target_compile_definitions(${name} PRIVATE SOMA_PLUGIN_VERSION="${PROJECT_VERSION}")
  else()
    target_compile_definitions(${name} PRIVATE SOMA_PLUGIN_VERSION="0")
  endif()
  # The entry point is all that leaves: also template code of the standard library binds within the plugin.
  set(map ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/soma_plugin.map)
  target_link_options(${name} PRIVATE -Wl,--version-script=${map})
  set_property(TARGET ${name} APPEND PROPERTY LINK_DEPENDS ${map})
endfunction()

# soma_add_own_plugin(NAME source...): a plugin that ships with Soma.
function(soma_add_own_plugin name)
  soma_add_plugin(${name} ${ARGN})
  soma_warnings(${name})
  set_target_properties(${name} PROPERTIES
    LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib/soma INSTALL_RPATH "")
  install(TARGETS ${name} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/soma)
endfunction()
