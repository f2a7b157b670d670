#pragma once

#include "soma/layer.hpp"

namespace soma {}  // namespace soma
