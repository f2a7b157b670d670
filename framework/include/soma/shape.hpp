#pragma once

#include "soma/sdk/shape.hpp"
