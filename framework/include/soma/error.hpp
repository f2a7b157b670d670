#pragma once

#include "soma/sdk/error.hpp"
