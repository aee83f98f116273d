// lsm/clock.h - time and randomness as the engine gets them injected, for the layers above (which include no subfolder).
#pragma once

#include "lsm/io/clock.h"
