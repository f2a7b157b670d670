#pragma once

#include <memory>

#include "soma/conformance/certify.hpp"

namespace soma::conformance {

// One function for each kind of thing that a plugin brings, in a file of that name; a layer that is
// made of others is of a kind of its own.
std::unique_ptr<Examination> examine_backend(const Subject& subject, const CertifyOptions& options);
std::unique_ptr<Examination> examine_activation(const Subject& subject,
                                                const CertifyOptions& options);
std::unique_ptr<Examination> examine_layer(const Subject& subject, const CertifyOptions& options);
std::unique_ptr<Examination> examine_composition(const Subject& subject,
                                                 const CertifyOptions& options);
std::unique_ptr<Examination> examine_loss(const Subject& subject, const CertifyOptions& options);
std::unique_ptr<Examination> examine_optimizer(const Subject& subject,
                                               const CertifyOptions& options);

}  // namespace soma::conformance
