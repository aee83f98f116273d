// cli/size.h - `varve size`: prints what lsm/sizing.h plans. As commands.h.
#pragma once

#include "cli/commands.h"
#include "lsm/sizing.h"

namespace varve::cli {

using SizeQuestion = lsm::SizingQuestion;

int Size(const SizeQuestion& question, const Settings& settings, bool json, Streams streams);

}  // namespace varve::cli
