// Completion: what an asynchronous function calls when it has ended.
//
// Every asynchronous function of Quire returns at once and takes one of these, which it calls exactly
// once with the result, never inside the call. quire/async_future.hpp and quire/async_await.hpp make
// futures and awaitables of any such function.
#pragma once

#include <concepts>
#include <functional>
#include <type_traits>

#include "quire/error.hpp"

namespace quire {

namespace base {
// Declared only: they find T in the signature of a call operator.
template <class T, class Return, class F>
std::type_identity<T> result_of(Return (F::*)(std::move_only_function<void(Result<T>)>));
template <class T, class Return, class F>
std::type_identity<T> result_of(Return (F::*)(std::move_only_function<void(Result<T>)>) const);
}  // namespace base

inline namespace v0 {

// Called on a thread of an executor; must not throw.
template <class T = void>
using Completion = std::move_only_function<void(Result<T>)>;

// `Start` begins an operation that ends with a Result<T>: called with a Completion<T>, it hands it to
// an asynchronous function.
template <class Start, class T>
concept Starts = std::invocable<Start&, Completion<T>>;

// The T of a `Start` whose parameter says it, as that of `[](quire::Completion<Bytes> done) {…}`.
template <class Start>
using StartedResult = typename decltype(base::result_of(&Start::operator()))::type;

}  // namespace v0
}  // namespace quire
