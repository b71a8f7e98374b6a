#include <fmt/format.h>
#include <cstdio>
#include <cstdlib>

#include <atomic>
#include <braid/check.hpp>
#include <braid/error.hpp>
#include <braid/result.hpp>

namespace braid {
namespace {

void print_and_abort(std::string_view sentence) {
    std::fprintf(stderr, "%.*s\n", static_cast<int>(sentence.size()), sentence.data());
    std::abort();
}

std::atomic<CheckHandler> check_handler{print_and_abort};

std::string conflict_sentence(const std::vector<Conflict>& conflicts) {
    std::string sentence;
    for (const Conflict& one : conflicts) {
        if (!sentence.empty()) sentence += "; ";
        if (!one.consumer.empty()) sentence += fmt::format("consumer '{}' ", one.consumer);
        if (!one.lease.empty()) sentence += fmt::format("lease '{}' ", one.lease);
        if (!one.space.empty()) sentence += fmt::format("space '{}' ", one.space);
        if (!one.segment.empty()) sentence += fmt::format("segment '{}' ", one.segment);
        sentence.back() = ':';
        sentence += fmt::format(" required {}, {}", one.required, one.actual);
    }
    return sentence;
}

}  // namespace

CheckHandler set_check_handler(CheckHandler handler) noexcept {
    return check_handler.exchange(handler);
}

void check_failed(const char* file, int line, std::string_view sentence) {
    check_handler.load()(fmt::format("braid: broken invariant at {}:{}: {}", file, line, sentence));
    std::abort();
}

void detail::value_of_error(const Error& error) {
    check_failed(__FILE__, __LINE__, fmt::format("value of a failed result: {}", error.message()));
}

void detail::error_of_value() {
    check_failed(__FILE__, __LINE__, "error() of a result that holds a value");
}

std::string_view to_string(Errc code) noexcept {
    switch (code) {
        case Errc::invalid_argument:
            return "invalid_argument";
        case Errc::not_found:
            return "not_found";
        case Errc::conflict:
            return "conflict";
        case Errc::out_of_range:
            return "out_of_range";
        case Errc::trimmed:
            return "trimmed";
        case Errc::too_large:
            return "too_large";
        case Errc::corrupt:
            return "corrupt";
        case Errc::io:
            return "io";
        case Errc::no_space:
            return "no_space";
        case Errc::locked:
            return "locked";
        case Errc::failed:
            return "failed";
        case Errc::unknown_outcome:
            return "unknown_outcome";
        case Errc::unsupported_version:
            return "unsupported_version";
        case Errc::cancelled:
            return "cancelled";
        case Errc::closed:
            return "closed";
    }
    return "unknown";
}

const std::vector<Conflict>& Error::conflicts() const noexcept {
    static const std::vector<Conflict> none;
    return details_ ? details_->conflicts : none;
}

const std::optional<Trimmed>& Error::trimmed() const noexcept {
    static const std::optional<Trimmed> none;
    return details_ ? details_->trimmed : none;
}

Error Error::conflict(std::vector<Conflict> conflicts) {
    Error error(Errc::conflict, conflict_sentence(conflicts));
    error.details_ = std::make_shared<Details>(Details{std::move(conflicts), std::nullopt});
    return error;
}

Error Error::trimmed(Trimmed trimmed, std::string message) {
    Error error(Errc::trimmed, std::move(message));
    error.details_ = std::make_shared<Details>(Details{{}, trimmed});
    return error;
}

Error Error::within(std::string_view context) && {
    message_.insert(0, fmt::format("{}: ", context));
    return std::move(*this);
}

}  // namespace braid
