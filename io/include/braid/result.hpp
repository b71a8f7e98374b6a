#pragma once

#include <boost/system/result.hpp>
#include <utility>

#include <braid/error.hpp>

namespace braid {

namespace detail {
[[noreturn]] void value_of_error(const Error& error);
[[noreturn]] void error_of_value();
}  // namespace detail

/// A value or an `Error`. Taking the value of an error, or the error of a value, is a bug in the
/// caller and goes to the check handler, in release builds too. Nothing is thrown.
template <class T>
class [[nodiscard]] Result {
public:
    using value_type = T;

    Result(T value) : result_(std::move(value)) {}
    Result(Error error) : result_(std::move(error)) {}

    [[nodiscard]] bool has_value() const noexcept { return result_.has_value(); }
    [[nodiscard]] bool has_error() const noexcept { return result_.has_error(); }
    explicit operator bool() const noexcept { return has_value(); }

    T& operator*() & noexcept { return *value(); }
    const T& operator*() const& noexcept { return *value(); }
    T&& operator*() && noexcept { return std::move(*value()); }
    T* operator->() noexcept { return value(); }
    const T* operator->() const noexcept { return value(); }

    [[nodiscard]] Error error() const {
        if (!has_error()) detail::error_of_value();
        return result_.error();
    }

private:
    T* value() {
        if (!has_value()) [[unlikely]]
            detail::value_of_error(result_.error());
        return result_.operator->();
    }
    const T* value() const {
        if (!has_value()) [[unlikely]]
            detail::value_of_error(result_.error());
        return result_.operator->();
    }

    boost::system::result<T, Error> result_;
};

template <>
class [[nodiscard]] Result<void> {
public:
    using value_type = void;

    Result() = default;
    Result(Error error) : result_(std::move(error)) {}

    [[nodiscard]] bool has_value() const noexcept { return result_.has_value(); }
    [[nodiscard]] bool has_error() const noexcept { return result_.has_error(); }
    explicit operator bool() const noexcept { return has_value(); }

    [[nodiscard]] Error error() const {
        if (!has_error()) detail::error_of_value();
        return result_.error();
    }

private:
    boost::system::result<void, Error> result_;
};

}  // namespace braid
