#pragma once

/// Braid: an embedded store for append-only event streams. This header is the whole interface.

#include <braid/check.hpp>
#include <braid/consumer.hpp>
#include <braid/entry.hpp>
#include <braid/error.hpp>
#include <braid/histogram.hpp>
#include <braid/lease.hpp>
#include <braid/options.hpp>
#include <braid/processor.hpp>
#include <braid/reader.hpp>
#include <braid/repair.hpp>
#include <braid/result.hpp>
#include <braid/status.hpp>
#include <braid/store.hpp>
#include <braid/subscription.hpp>
#include <braid/transaction.hpp>
#include <braid/types.hpp>
