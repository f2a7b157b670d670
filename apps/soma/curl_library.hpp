#pragma once

#include <curl/curl.h>

/// libcurl, loaded when something is fetched: linked, it and the twenty libraries that it brings
/// along would take half the time in which a prediction starts.
struct CurlLibrary {
  decltype(&::curl_global_init) global_init;
  decltype(&::curl_easy_init) easy_init;
  decltype(&::curl_easy_cleanup) easy_cleanup;
  decltype(&::curl_easy_setopt) easy_setopt;
  decltype(&::curl_easy_perform) easy_perform;
  decltype(&::curl_easy_getinfo) easy_getinfo;
  decltype(&::curl_easy_strerror) easy_strerror;
};

/// Throws soma::StateError if it is not installed.
const CurlLibrary& curl_library();
