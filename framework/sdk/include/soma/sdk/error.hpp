#pragma once

#include <stdexcept>
#include <string>

namespace soma {

/// Base of everything Soma throws. what() is one sentence for people: where, expected, found.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Shapes or attributes contradict the contract of an op or a layer; change the model or the data.
class ShapeError : public Error {
 public:
  using Error::Error;
};

/// This backend cannot; another one may.
class UnsupportedError : public Error {
 public:
  using Error::Error;
};

/// A call at the wrong time, e.g. predicting with a model that was never built.
class StateError : public Error {
 public:
  using Error::Error;
};

/// A file is missing, truncated or not what it says it is.
class FormatError : public Error {
 public:
  using Error::Error;
};

/// A plugin or backend could not be found, admitted or entered, or failed in a call.
class PluginError : public Error {
 public:
  using Error::Error;
};

}  // namespace soma
