// How a damaged place is told: in words, and as JSON.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "quire/error.hpp"
#include "quire/snapshot.hpp"
#include "quire/vector_store.hpp"

namespace quire::cli {

// "photos/gen-1.rows [4096, 4224): …": file, bytes, what is wrong.
std::string in_words(const Damage& damage);
std::string in_words(const std::string& file, const SnapshotDamage& damage);

nlohmann::ordered_json as_json(const Damage& damage);
nlohmann::ordered_json as_json(const std::string& file, const SnapshotDamage& damage);

// The place that stopped the opening of a store or snapshot that is too damaged for it.
Damage store_refusal(const Error& error);
SnapshotDamage snapshot_refusal(const Error& error);

}  // namespace quire::cli
