#include "engine/transaction_body.h"

#include <fmt/format.h>

namespace braid {
namespace {

const char* name_problem(std::string_view name) {
    if (name.empty()) return "is empty";
    if (name.size() > name_bytes_max) return "is longer than 255 bytes";
    return nullptr;
}

}  // namespace

void TransactionBody::fail(Errc code, std::string message) {
    if (!error_) error_ = Error(code, std::move(message));
}

std::optional<std::uint32_t> TransactionBody::target(std::string_view space,
                                                     std::string_view segment) {
    if (last_target_ < targets_.size() && is(targets_[last_target_], space, segment))
        return last_target_;
    if (const char* problem = name_problem(space)) {
        fail(Errc::invalid_argument, fmt::format("the name of the space {}", problem));
        return std::nullopt;
    }
    if (const char* problem = name_problem(segment)) {
        fail(Errc::invalid_argument, fmt::format("the name of the segment {}", problem));
        return std::nullopt;
    }
    // The space's length stands in front, so that no two pairs of names share a key.
    std::string key(1, static_cast<char>(space.size()));
    key.append(space).append(segment);
    const auto [found, is_new] =
        by_name_.emplace(std::move(key), static_cast<std::uint32_t>(targets_.size()));
    if (is_new) targets_.push_back({std::string(space), std::string(segment)});
    last_target_ = found->second;
    return last_target_;
}

void TransactionBody::demand(std::uint32_t target, Expectation expectation) {
    if (expectation.kind == Expectation::Kind::any) return;
    const std::uint64_t before = targets_[target].records;
    // A run of expected sequences says no more than its first one.
    if (!demands_.empty() && expectation.kind == Expectation::Kind::sequence) {
        const Demand& last = demands_.back();
        if (last.target == target && last.expectation.kind == Expectation::Kind::sequence &&
            expectation.next.value - before == last.expectation.next.value - last.before)
            return;
    }
    demands_.push_back({target, before, expectation});
}

void TransactionBody::append(std::string_view space, std::string_view segment, Bytes payload,
                             const AppendOptions& options) {
    if (error_) return;
    const bool was_incomplete = std::exchange(incomplete_, true);
    add(space, segment, payload, options);
    incomplete_ = was_incomplete;
}

void TransactionBody::add(std::string_view space, std::string_view segment, Bytes payload,
                          const AppendOptions& options) {
    const auto metadata = options.metadata.pairs();
    const std::uint64_t bytes = segment::record_bytes(payload, metadata, !metadata.empty());
    if (bytes > limits_.record_bytes_max)
        return fail(Errc::too_large,
                    fmt::format("a record of {} bytes is over record_bytes_max of {}", bytes,
                                limits_.record_bytes_max));
    if (bytes_ + bytes > limits_.transaction_bytes_max)
        return fail(Errc::too_large,
                    fmt::format("the transaction is over transaction_bytes_max of {}",
                                limits_.transaction_bytes_max));
    const auto index = target(space, segment);
    if (!index) return;
    Target& written = targets_[*index];
    if (written.records == 0 && written_.size() == limits_.transaction_segments_max)
        return fail(Errc::too_large,
                    fmt::format("the transaction is over transaction_segments_max of {}",
                                limits_.transaction_segments_max));
    if (written.records == 0) written_.push_back(*index);
    demand(*index, options.expect);
    frames_.add(*index, payload, metadata);
    ++written.records;
    bytes_ += bytes;
    ++records_;
}

void TransactionBody::require(std::string_view space, std::string_view segment,
                              Expectation expectation) {
    if (error_) return;
    const bool was_incomplete = std::exchange(incomplete_, true);
    add_demand(space, segment, expectation);
    incomplete_ = was_incomplete;
}

void TransactionBody::add_demand(std::string_view space, std::string_view segment,
                                 Expectation expectation) {
    const auto index = target(space, segment);
    if (index && expectation.kind != Expectation::Kind::any)
        demands_.push_back({*index, 0, expectation});
}

void TransactionBody::clear() noexcept {
    targets_.clear();
    by_name_.clear();
    last_target_ = 0;
    demands_.clear();
    frames_.clear();
    bytes_ = 0;
    records_ = 0;
    written_.clear();
    error_.reset();
    incomplete_ = false;
}

}  // namespace braid
