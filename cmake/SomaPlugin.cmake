# soma_add_plugin(NAME [WIDE] source...): a Soma plugin, libsoma_NAME.so, that exports its entry point and nothing else.
# Its code is compiled for x86-64-v3 without floating-point contraction, as the canonical numerics ask. WIDE compiles it a
# second time for AVX-512 and chooses when the plugin is entered: for the C++ kinds of the SDK but backends.
# Inside Soma's own tree the plugin goes to lib/soma of the build and the installation.
function(soma_plugin_options target isa)
  set_target_properties(${target} PROPERTIES
    CXX_STANDARD 20 CXX_STANDARD_REQUIRED ON CXX_EXTENSIONS OFF POSITION_INDEPENDENT_CODE ON
    C_VISIBILITY_PRESET hidden CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
  target_link_libraries(${target} PRIVATE soma::sdk)
  target_compile_options(${target} PRIVATE -march=${isa} -ffp-contract=off)
  if(PROJECT_VERSION)
    target_compile_definitions(${target} PRIVATE SOMA_PLUGIN_VERSION="${PROJECT_VERSION}")
  else()
    target_compile_definitions(${target} PRIVATE SOMA_PLUGIN_VERSION="0")
  endif()
endfunction()

function(soma_add_plugin name)
  cmake_parse_arguments(arg "WIDE" "" "" ${ARGN})
  set(sources ${arg_UNPARSED_ARGUMENTS})
  if(arg_WIDE)
    # One object file that exports its entry and nothing else: the linker keeps one copy of each inline function and might
    # otherwise take one with AVX-512 in it for the whole plugin.
    add_library(${name}_wide OBJECT ${sources})
    soma_plugin_options(${name}_wide x86-64-v4)
    target_compile_options(${name}_wide PRIVATE -fno-gnu-unique)  # unique symbols cannot be made local
    target_compile_definitions(${name}_wide PRIVATE SOMA_PLUGIN_WIDE)
    set(closed ${CMAKE_CURRENT_BINARY_DIR}/${name}_wide.o)
    add_custom_command(OUTPUT ${closed}
      COMMAND ${CMAKE_LINKER} -r --force-group-allocation -o ${closed}.open $<TARGET_OBJECTS:${name}_wide>
      COMMAND ${CMAKE_OBJCOPY} --keep-global-symbol=soma_plugin_wide_v1 ${closed}.open ${closed}
      DEPENDS ${name}_wide $<TARGET_OBJECTS:${name}_wide> COMMAND_EXPAND_LISTS VERBATIM)
    set_source_files_properties(${closed} PROPERTIES EXTERNAL_OBJECT ON GENERATED ON)
    list(APPEND sources ${closed})
  endif()
  add_library(${name} MODULE ${sources})
  soma_plugin_options(${name} x86-64-v3)
  set_target_properties(${name} PROPERTIES PREFIX "libsoma_")
  # The entry point is all that leaves: also template code of the standard library binds within the plugin.
  set(map ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/soma_plugin.map)
  target_link_options(${name} PRIVATE -Wl,--version-script=${map})
  set_property(TARGET ${name} APPEND PROPERTY LINK_DEPENDS ${map})
endfunction()

# soma_add_own_plugin(NAME [WIDE] source...): a plugin that ships with Soma.
function(soma_add_own_plugin name)
  soma_add_plugin(${name} ${ARGN})
  soma_warnings(${name})
  set_target_properties(${name} PROPERTIES
    LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib/soma INSTALL_RPATH "" BUILD_WITH_INSTALL_RPATH ON)
  # Installing must not change the file behind its checksum: hence the install path from the start.
  add_custom_command(TARGET ${name} POST_BUILD VERBATIM
    COMMAND sh ${PROJECT_SOURCE_DIR}/cmake/append_checksum.sh $<TARGET_FILE:${name}>)
  install(TARGETS ${name} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/soma)
endfunction()
