#pragma once

#include <string>
#include <vector>

#include "soma/sdk/op.hpp"

// What words of the command line mean to certify and to its child processes. All throw UsageError.

std::vector<std::string> split_words(const std::string& list, char between = ',');
/// "1,2,4": numbers from 1 to `most`.
std::vector<int> parse_numbers(const std::string& option, const std::string& list, int most);
/// {"units": 8, "init": "zeros"}; "" for none.
soma::Attributes parse_fields(const std::string& text);
/// Samples, without the batch: "6,5,4", "7:int32", "12;12" for two inputs; "" for none.
std::vector<soma::TensorInfo> parse_inputs(const std::string& text);
