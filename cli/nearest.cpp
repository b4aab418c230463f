// quire nearest: the exact nearest neighbours of the queries in a file, and recall against the
// truth.
#include <algorithm>
#include <charconv>
#include <chrono>
#include <fstream>
#include <iterator>
#include <memory>
#include <span>

#include "base/try.hpp"
#include "cli/arguments.hpp"
#include "cli/command.hpp"
#include "cli/output.hpp"
#include "cli/progress.hpp"
#include "cli/row_batches.hpp"
#include "cli/vector_input.hpp"
#include "cli/vectors.hpp"
#include "cli/wording.hpp"
#include "quire/convert.hpp"

namespace quire::cli {
namespace {

using Neighbours = std::vector<Neighbour>;

struct Arguments {
  std::string path;  // of the store or snapshot
  std::string queries;
  std::uint64_t k = 0;
  std::optional<Metric> chosen_metric;
  std::string truth;  // empty: none
  std::optional<VectorFormat> format;
  std::optional<ElementType> type;  // of the queries
  std::string ids;                  // file of those that may be neighbours; empty: all

  Metric metric() const { return chosen_metric.value_or(Metric::l2); }
};

// Queries searched together; each pass over the rows serves all of them.
constexpr std::uint64_t kBlockQueries = 256;

struct Found {
  std::vector<Neighbours> neighbours;  // by query
  double seconds = 0;                  // of searching, without reading the files
};

Outcome<std::optional<Int32Rows>> read_truth(const Arguments& arguments,
                                             const VectorFileReader& queries) {
  if (arguments.truth.empty()) return std::nullopt;
  QUIRE_TRY(Int32Rows truth, read_ivecs(arguments.truth));
  if (truth.columns < arguments.k) {
    return fail(kFailed,
                fmt::format("nearest: {} has {} for each query, fewer than --k {}", arguments.truth,
                            counted(truth.columns, "neighbour"), arguments.k));
  }
  if (truth.rows > queries.rows()) {
    return fail(kFailed, fmt::format("nearest: {} has {}, more than the queries in {} ({})",
                                     arguments.truth, counted(truth.rows, "row"), arguments.queries,
                                     grouped(queries.rows())));
  }
  return truth;
}

// Ids, one a line, ascending.
Outcome<std::vector<std::uint64_t>> read_ids(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::vector<std::uint64_t> ids;
  std::string line;
  for (std::uint64_t number = 1; std::getline(file, line); ++number) {
    std::uint64_t id = 0;
    const char* const end = line.data() + line.size();
    const auto [stopped, error] = std::from_chars(line.data(), end, id);
    if (error != std::errc() || stopped != end) {
      return fail(kFailed, fmt::format("nearest: {}: line {} is no id", path, number));
    }
    ids.push_back(id);
  }
  if (!file.eof()) return fail(kFailed, fmt::format("nearest: cannot read {}", path));
  std::ranges::sort(ids);
  return ids;
}

Outcome<Found> search(const Vectors& vectors, const Arguments& arguments, VectorFileReader& reader,
                      std::uint64_t queries) {
  Found found;
  NearestOptions options{.metric = arguments.metric(), .filter = {}, .progress = {}, .threads = {}};
  if (!arguments.ids.empty()) {
    QUIRE_TRY(std::vector<std::uint64_t> ids, read_ids(arguments.ids));
    options.filter = [wanted = std::move(ids)](std::uint64_t id) {
      return std::ranges::binary_search(wanted, id);
    };
  }
  Progress progress("searching", "comparison");
  RowBatches batches(reader, kBlockQueries);
  while (found.neighbours.size() < queries) {
    QUIRE_TRY(std::span<const std::byte> block, batches.next());
    const std::uint64_t searched = found.neighbours.size();
    const std::uint64_t count =
        std::min<std::uint64_t>(block.size() / reader.row_bytes(), queries - searched);
    block = block.first(static_cast<std::size_t>(count) * reader.row_bytes());

    // The search tells of its part in units of its own; a block counts as its queries times all
    // rows.
    const auto tell = [&](std::uint64_t done, std::uint64_t total) {
      const double share = total == 0 ? 1 : static_cast<double>(done) / static_cast<double>(total);
      const auto rows = static_cast<double>(vectors.size());
      progress.update(
          static_cast<std::uint64_t>(
              (static_cast<double>(searched) + share * static_cast<double>(count)) * rows),
          static_cast<std::uint64_t>(static_cast<double>(queries) * rows));
    };
    options.progress = tell;
    std::vector<std::byte> converted;
    if (reader.element_type() != vectors.element_type()) {
      converted.resize(static_cast<std::size_t>(count) * vectors.row_bytes());
      QUIRE_CHECK(convert(VectorRef(reader.element_type(), block), vectors.dimension(),
                          vectors.element_type(), converted));
      block = converted;
    }
    const auto begin = std::chrono::steady_clock::now();
    QUIRE_TRY(std::vector<Neighbours> neighbours,
              vectors.nearest(VectorRef(vectors.element_type(), block),
                              static_cast<std::size_t>(arguments.k), options));
    found.seconds +=
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    std::ranges::move(neighbours, std::back_inserter(found.neighbours));
  }
  return found;
}

// The share of the truth's first k ids that are among the k found, over all queries.
double recall(const std::vector<Neighbours>& found, const Int32Rows& truth, std::uint64_t k) {
  std::uint64_t hits = 0;
  for (std::size_t query = 0; query < found.size(); ++query) {
    for (const std::int32_t id : truth.row(query).first(static_cast<std::size_t>(k))) {
      const bool hit = id >= 0 && std::ranges::find(found[query], static_cast<std::uint64_t>(id),
                                                    &Neighbour::id) != found[query].end();
      hits += hit ? 1 : 0;
    }
  }
  return static_cast<double>(hits) / (static_cast<double>(found.size()) * static_cast<double>(k));
}

void print_neighbours_json(nlohmann::ordered_json& json, const Found& found) {
  auto& all = json["neighbours"] = nlohmann::ordered_json::array();
  for (const Neighbours& neighbours : found.neighbours) {
    auto of_query = nlohmann::ordered_json::array();
    for (const Neighbour& neighbour : neighbours) {
      of_query.push_back({{"id", neighbour.id}, {"distance", neighbour.distance}});
    }
    all.push_back(std::move(of_query));
  }
}

void report(const Arguments& arguments, const Settings& settings, const Found& found,
            std::uint64_t rows, const std::optional<Int32Rows>& truth, std::uint64_t in_file) {
  const std::uint64_t queries = found.neighbours.size();
  if (settings.json) {
    nlohmann::ordered_json json = {{"queries", queries},
                                   {"k", arguments.k},
                                   {"metric", to_string(arguments.metric())},
                                   {"seconds", found.seconds}};
    if (truth) {
      json["recall"] = recall(found.neighbours, *truth, arguments.k);
    } else {
      print_neighbours_json(json, found);
    }
    print_json(json);
    return;
  }
  if (!truth) {
    for (std::size_t query = 0; query < found.neighbours.size(); ++query) {
      std::string line = fmt::format("query {}:", query);
      for (const Neighbour& neighbour : found.neighbours[query]) {
        line += fmt::format(" {} ({})", neighbour.id, neighbour.distance);
      }
      print_line("{}", line);
    }
    return;
  }
  if (queries < in_file) {
    print_line("the truth has {}: searched only the first of the {} queries in {}",
               counted(queries, "row"), grouped(in_file), arguments.queries);
  }
  print_line("{} against {} in {}: {} queries/s",
             queries == 1 ? "1 query" : grouped(queries) + " queries", counted(rows, "row"),
             duration(found.seconds), rate(queries, found.seconds));
  print_line("recall of the {} nearest ({}): {:.3f}", arguments.k, to_string(arguments.metric()),
             recall(found.neighbours, *truth, arguments.k));
}

Outcome<> nearest(const Arguments& arguments, const Settings& settings) {
  QUIRE_TRY(const std::unique_ptr<Vectors> vectors, open_vectors(arguments.path, settings));
  QUIRE_TRY(const VectorInput input, VectorInput::open(arguments.queries, settings));
  QUIRE_TRY(VectorFileReader reader,
            input.reader({.format = arguments.format,
                          .dimension = vectors->dimension(),
                          .element_type = arguments.type.value_or(vectors->element_type())}));
  QUIRE_TRY(const std::optional<Int32Rows> truth, read_truth(arguments, reader));
  const std::uint64_t queries = truth ? truth->rows : reader.rows();
  QUIRE_TRY(const Found found, search(*vectors, arguments, reader, queries));
  report(arguments, settings, found, vectors->size(), truth, reader.rows());
  return {};
}

Run declare(CLI::App& app) {
  auto arguments = std::make_shared<Arguments>();
  add_vectors(app, arguments->path);
  add_file(app, "QUERYFILE", arguments->queries, "Queries, a vector file of the same dimension");
  add_required_number(app, "--k", arguments->k, "Neighbours of each query", 1, kMaxRows);
  add_metric(app, arguments->chosen_metric);
  add_file(app, "--truth", arguments->truth,
           "True neighbours (ivecs): tells the recall instead of the neighbours");
  add_format(app, arguments->format, "Format of QUERYFILE (default: by its name)");
  add_element_type(app, arguments->type,
                   "Type of QUERYFILE's elements (default: that of the vectors, to which they are "
                   "converted)");
  add_file(app, "--ids-from", arguments->ids,
           "Only vectors of these ids are neighbours: a text file, one id a line");
  return [arguments](const Settings& settings) { return nearest(*arguments, settings); };
}

}  // namespace

Command nearest_command() {
  return {"Look", "nearest", "Find the exact nearest neighbours of queries",
          "Compares every query with every vector. Nearest first, equal distances by lower id, as\n"
          "`query i: id (distance) …`. With --truth it tells the recall: the share of the truth's\n"
          "first k ids that are among the k found. A truth of fewer rows than there are queries\n"
          "limits the search to that many.\n\n"
          "Examples:\n"
          "  quire nearest bits queries.npy --type f32 --metric hamming --k 10\n"
          "  quire nearest photos data/queries_100.bvecs --k 10 \\\n"
          "        --truth data/groundtruth_10k_l2_top10.ivecs",
          declare};
}

}  // namespace quire::cli
