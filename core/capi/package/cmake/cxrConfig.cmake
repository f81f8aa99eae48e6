# find_package(cxr): the target cxr::cxr and cxr_add_model(). Research software, not a medical device.
# Made by `cargo xtask packages`.
get_filename_component(CXR_PREFIX "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)
set(CXR_CORES @CORES@)
set(CXR_DEFAULT_MODEL "${CXR_PREFIX}/share/cxr/default.cxr")

# The core: CXR_CORE, or what the flags of the compiler say.
if(NOT CXR_CORE)
  string(TOUPPER "${CMAKE_BUILD_TYPE}" _cxr_type)
  set(_cxr_flags "${CMAKE_C_FLAGS} ${CMAKE_C_FLAGS_${_cxr_type}}")
@DETECT@
endif()
if(NOT CXR_CORE IN_LIST CXR_CORES)
  set(cxr_FOUND FALSE)
  set(cxr_NOT_FOUND_MESSAGE "no library for this core: set CXR_CORE to one of ${CXR_CORES}, or name the core in CMAKE_C_FLAGS (-mcpu, -march)")
  return()
endif()

if(NOT TARGET cxr::cxr)
  add_library(cxr::cxr STATIC IMPORTED)
  set_target_properties(cxr::cxr PROPERTIES
    IMPORTED_LOCATION "${CXR_PREFIX}/lib/${CXR_CORE}/libcxr.a"
    INTERFACE_INCLUDE_DIRECTORIES "${CXR_PREFIX}/include")
endif()

# Puts a model file into the program, read in place: `extern const uint8_t cxr_model_file[], cxr_model_file_end[];`
function(cxr_add_model target file)
  get_filename_component(_file "${file}" ABSOLUTE)
  set(_source "${CMAKE_CURRENT_BINARY_DIR}/${target}_model.S")
  configure_file("${CXR_PREFIX}/share/cxr/model.S" "${_source}" COPYONLY)
  set_source_files_properties("${_source}" PROPERTIES
    LANGUAGE ASM COMPILE_DEFINITIONS "CXR_MODEL_FILE=\"${_file}\"" OBJECT_DEPENDS "${_file}")
  target_sources(${target} PRIVATE "${_source}")
endfunction()
