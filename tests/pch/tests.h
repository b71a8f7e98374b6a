// Precompiled once a suite; see io/pch/common.h.
#include <doctest/doctest.h>

#include "io/pch/common.h"
