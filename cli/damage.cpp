#include "cli/damage.hpp"

#include <fmt/format.h>

#include <optional>

namespace quire::cli {
namespace {

std::string place_in_words(const std::string& file, ByteRange range, const std::string& what) {
  return fmt::format("{} [{}, {}): {}", file, range.offset, range.end(), what);
}

nlohmann::ordered_json place_as_json(const std::string& file, ByteRange range,
                                     const std::string& what) {
  return {{"file", file}, {"offset", range.offset}, {"length", range.length}, {"what", what}};
}

nlohmann::ordered_json number_or_null(const std::optional<std::uint64_t>& number) {
  if (number) return *number;
  return nullptr;
}

std::string what_stopped(const Error& error) {
  return error.detail().empty() ? std::string(to_string(error.code())) : error.detail();
}

ByteRange where_it_stopped(const Error& error) {
  return error.has_range() ? error.range() : ByteRange{};
}

}  // namespace

std::string in_words(const Damage& damage) {
  std::string words = place_in_words(damage.file, damage.range, damage.what);
  if (damage.id) {
    // Most descriptions of a damaged row name its id themselves.
    const std::string id = fmt::format("(id {})", *damage.id);
    if (words.find(id) == std::string::npos) words += " " + id;
  }
  return words;
}

std::string in_words(const std::string& file, const SnapshotDamage& damage) {
  return place_in_words(file, damage.range, damage.what);  // which names rows and ids
}

nlohmann::ordered_json as_json(const Damage& damage) {
  auto json = place_as_json(damage.file, damage.range, damage.what);
  json["id"] = number_or_null(damage.id);
  return json;
}

nlohmann::ordered_json as_json(const std::string& file, const SnapshotDamage& damage) {
  auto json = place_as_json(file, damage.range, damage.what);
  json["first_row"] = nullptr;
  if (damage.rows > 0) json["first_row"] = damage.first_row;
  json["rows"] = damage.rows;
  json["first_id"] = number_or_null(damage.first_id);
  json["last_id"] = number_or_null(damage.last_id);
  return json;
}

Damage store_refusal(const Error& error) {
  return {.file = error.path(),
          .range = where_it_stopped(error),
          .what = what_stopped(error),
          .id = std::nullopt};
}

SnapshotDamage snapshot_refusal(const Error& error) {
  return {.range = where_it_stopped(error), .what = what_stopped(error)};
}

}  // namespace quire::cli
