#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

#include "base/try.hpp"
#include "formats/npy_header.hpp"

namespace quire::formats {

namespace {

template <class T>
using Parsed = std::expected<T, NpyProblem>;

constexpr std::size_t kMaxAxes = 64;  // more than NumPy itself has
constexpr std::size_t kMaxShown = 40;

std::unexpected<NpyProblem> corrupt(std::string sentence) {
  return std::unexpected(NpyProblem{ErrorCode::corrupt, std::move(sentence)});
}

std::unexpected<NpyProblem> unsupported(std::string sentence) {
  return std::unexpected(NpyProblem{ErrorCode::unsupported, std::move(sentence)});
}

// A cursor over the text; single-thread.
class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Parsed<NpyDictionary> dictionary() {
    if (!accept('{')) return corrupt("the header is not a dictionary: " + printable(text_));
    while (!accept('}')) {
      QUIRE_TRY(const std::string key, string());
      if (!accept(':')) return expected(':');
      QUIRE_CHECK(value_of(key));
      if (accept(',')) continue;
      if (!accept('}')) return expected('}');
      break;
    }
    skip_space();
    if (at_ != text_.size()) return corrupt("the header goes on behind its dictionary");
    if (!descr_ || !fortran_order_ || !shape_) {
      return corrupt(std::string("the header has no key '") +
                     (!descr_           ? "descr"
                      : !fortran_order_ ? "fortran_order"
                                        : "shape") +
                     "'");
    }
    return NpyDictionary{*std::move(descr_), *fortran_order_, *std::move(shape_)};
  }

 private:
  template <class T, class Read>
  Parsed<void> set_once(const std::string& key, std::optional<T>& member, Read read) {
    if (member) return corrupt("the header has the key '" + key + "' twice");
    QUIRE_TRY(member, (this->*read)());
    return {};
  }

  Parsed<void> value_of(const std::string& key) {
    if (key == "descr") return set_once(key, descr_, &Parser::descr);
    if (key == "fortran_order") return set_once(key, fortran_order_, &Parser::boolean);
    if (key == "shape") return set_once(key, shape_, &Parser::shape);
    return corrupt("the header has an unknown key '" + printable(key) + "'");
  }

  Parsed<std::string> descr() {
    if (accept('[') || accept('(')) return unsupported("the dtype has fields or a shape");
    return string();
  }

  Parsed<bool> boolean() {
    skip_space();
    for (const auto& [word, value] :
         {std::pair{std::string_view("True"), true}, {"False", false}}) {
      if (text_.substr(at_).starts_with(word)) {
        at_ += word.size();
        return value;
      }
    }
    return corrupt("fortran_order is neither True nor False");
  }

  Parsed<std::vector<std::uint64_t>> shape() {
    std::vector<std::uint64_t> axes;
    if (!accept('(')) return corrupt("the shape is not a tuple");
    bool comma = true;
    while (!accept(')')) {
      if (!comma) return expected(')');
      if (axes.size() == kMaxAxes) return unsupported("the array has too many axes");
      QUIRE_TRY(const std::uint64_t axis, integer());
      axes.push_back(axis);
      comma = accept(',');
    }
    if (axes.size() == 1 && !comma) return corrupt("the shape is not a tuple");
    return axes;
  }

  // Decimal digits; an L behind them, which Python 2 wrote, is skipped.
  Parsed<std::uint64_t> integer() {
    constexpr auto kMax = std::numeric_limits<std::uint64_t>::max();
    skip_space();
    const std::size_t first = at_;
    std::uint64_t value = 0;
    for (; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; ++at_) {
      const auto digit = static_cast<std::uint64_t>(text_[at_] - '0');
      if (value > (kMax - digit) / 10) return corrupt("the shape has a number over 64 bits");
      value = value * 10 + digit;
    }
    if (at_ == first) return corrupt("the shape has something else than numbers from 0");
    if (at_ < text_.size() && text_[at_] == 'L') ++at_;
    return value;
  }

  Parsed<std::string> string() {
    skip_space();
    if (at_ == text_.size() || (text_[at_] != '\'' && text_[at_] != '"')) return expected('\'');
    const std::size_t end = text_.find(text_[at_], at_ + 1);
    if (end == std::string_view::npos) return corrupt("the header ends within a string");
    std::string value(text_.substr(at_ + 1, end - at_ - 1));
    at_ = end + 1;
    if (value.find('\\') != std::string::npos) {
      return corrupt("the header has an escaped character: " + printable(value));
    }
    return value;
  }

  bool accept(char wanted) {
    skip_space();
    if (at_ == text_.size() || text_[at_] != wanted) return false;
    ++at_;
    return true;
  }

  void skip_space() { at_ = std::min(text_.find_first_not_of(" \t\n\r\f", at_), text_.size()); }

  std::unexpected<NpyProblem> expected(char wanted) const {
    return corrupt(std::string("the header has no ") + wanted + " at its character " +
                   std::to_string(at_));
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::optional<std::string> descr_;
  std::optional<bool> fortran_order_;
  std::optional<std::vector<std::uint64_t>> shape_;
};

}  // namespace

std::string printable(std::string_view text) {
  std::string result(text.substr(0, kMaxShown));
  std::ranges::replace_if(result, [](char c) { return c < ' ' || c > '~'; }, '?');
  return text.size() > kMaxShown ? result + "..." : result;
}

std::expected<NpyDictionary, NpyProblem> parse_npy_dictionary(std::string_view text) {
  return Parser(text).dictionary();
}

}  // namespace quire::formats
