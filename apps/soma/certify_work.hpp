#pragma once

#include <span>
#include <string>

#include "certificate.hpp"

/// Fills a certificate: lists what there is to ask in a first child process, then asks item by item
/// in children, several at a time. A child that dies or takes too long is a result of the item that
/// it had in hand; the others go on in a new one. Shows progress on stderr. False if the file could
/// not be loaded.
bool do_certify_work(Certificate& certificate);

/// What those children are: `args` are the words behind "soma certify --child". They load the file
/// and answer items that they are sent by number, one line each.
int run_certify_child(std::span<const std::string> args);
