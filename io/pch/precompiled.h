// Precompiled once a target, since parsing these takes longer than compiling most of our files.
// Each file still includes what it uses, and builds without this (-Db_pch=false).
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <boost/endian/buffers.hpp>
#include <boost/system/result.hpp>
#include <boost/unordered/unordered_flat_map.hpp>
#include <boost/unordered/unordered_flat_set.hpp>
#include <braid/result.hpp>
#include <braid/types.hpp>
#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <span>
#include <string>
#include <thread>
#include <variant>
#include <vector>
