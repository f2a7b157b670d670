#pragma once

/// Marks what libsoma exports; everything else in it is hidden.
#define SOMA_API __attribute__((visibility("default")))
