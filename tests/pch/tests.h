// Precompiled once a suite; see io/pch/precompiled.h.
#include <doctest/doctest.h>

#include "io/pch/precompiled.h"
