#pragma once

#include <string>

/// The start of a page that needs no other file, up to and with "<body>": what all pages share
/// (colours by the browser's wish for light or dark, type, tiles and sections, tables, narrow
/// screens), then `style`, which may say otherwise.
std::string page_start(const std::string& title, const std::string& style);

/// "</body></html>".
std::string page_end();
