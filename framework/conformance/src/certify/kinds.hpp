#pragma once

#include <memory>

#include "soma/conformance/certify.hpp"

namespace soma::conformance {

// One function for each kind of thing that a plugin brings, in a file of that name.
std::unique_ptr<Examination> examine_backend(const Subject& subject, const CertifyOptions& options);
std::unique_ptr<Examination> examine_activation(const Subject& subject,
                                                const CertifyOptions& options);

}  // namespace soma::conformance
