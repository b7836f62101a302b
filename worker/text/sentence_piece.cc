#include "worker/text/sentence_piece.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <tuple>
#include <utility>
#include <vector>

#include "worker/text/json_fields.h"
#include "worker/text/special_tokens.h"
#include "worker/text/utf8.h"

namespace rondo {
namespace {

using nlohmann::json;

constexpr char kSpace[] = "\xE2\x96\x81";  // U+2581

// One field of a message in protobuf's wire format.
struct WireField {
  uint64_t number = 0;
  uint64_t value = 0;      // of a varint, or the bits of a fixed number
  std::string_view bytes;  // of a text or message
};

absl::Status Damaged() { return absl::InvalidArgumentError("not a SentencePiece model: damaged"); }

absl::StatusOr<uint64_t> TakeVarint(std::string_view* wire) {
  uint64_t value = 0;
  for (int shift = 0; shift < 64 && !wire->empty(); shift += 7) {
    const auto byte = static_cast<uint8_t>(wire->front());
    wire->remove_prefix(1);
    value |= static_cast<uint64_t>(byte & 0x7F) << shift;
    if (byte < 0x80) return value;
  }
  return Damaged();
}

// https://protobuf.dev/programming-guides/encoding
absl::StatusOr<WireField> TakeField(std::string_view* wire) {
  ASSIGN_OR_RETURN(const uint64_t tag, TakeVarint(wire));
  WireField field{tag >> 3, 0, {}};
  const auto take = [&](uint64_t size) -> absl::StatusOr<std::string_view> {
    if (size > wire->size()) return Damaged();
    const std::string_view taken = wire->substr(0, size);
    wire->remove_prefix(size);
    return taken;
  };
  switch (tag & 7) {
    case 0: {
      ASSIGN_OR_RETURN(field.value, TakeVarint(wire));
      return field;
    }
    case 1:
    case 5: {
      ASSIGN_OR_RETURN(const std::string_view fixed, take((tag & 7) == 1 ? 8 : 4));
      std::memcpy(&field.value, fixed.data(), fixed.size());
      return field;
    }
    case 2: {
      ASSIGN_OR_RETURN(const uint64_t size, TakeVarint(wire));
      ASSIGN_OR_RETURN(field.bytes, take(size));
      return field;
    }
    default: return Damaged();
  }
}

absl::Status ForEachField(std::string_view wire,
                          const std::function<absl::Status(const WireField&)>& f) {
  while (!wire.empty()) {
    ASSIGN_OR_RETURN(const WireField field, TakeField(&wire));
    RETURN_IF_ERROR(f(field));
  }
  return absl::OkStatus();
}

// Names, numbers and defaults of sentencepiece_model.proto.
enum PieceType : uint64_t { kNormal = 1, kUnknown, kControl, kUserDefined, kUnused, kByte };

struct Piece {
  std::string text;
  float score = 0;
  uint64_t type = kNormal;
};

struct Model {
  std::vector<Piece> pieces;
  uint64_t model_type = 1;  // unigram
  bool byte_fallback = false;
  uint64_t bos_id = 1;
  uint64_t eos_id = 2;
  std::string normalizer;
  bool has_charsmap = false;
  bool dummy_prefix = true;
  bool remove_extra_whitespaces = true;
  bool escape_whitespaces = true;
  bool whitespace_as_suffix = false;
};

absl::Status ReadPiece(std::string_view wire, Model* model) {
  Piece piece;
  RETURN_IF_ERROR(ForEachField(wire, [&](const WireField& field) {
    if (field.number == 1) piece.text = std::string(field.bytes);
    if (field.number == 2) piece.score = std::bit_cast<float>(static_cast<uint32_t>(field.value));
    if (field.number == 3) piece.type = field.value;
    return absl::OkStatus();
  }));
  RETURN_IF_ERROR(CheckUtf8(piece.text));
  model->pieces.push_back(std::move(piece));
  return absl::OkStatus();
}

absl::Status ReadTrainer(std::string_view wire, Model* model) {
  return ForEachField(wire, [&](const WireField& field) {
    if (field.number == 3) model->model_type = field.value;
    if (field.number == 24) model->whitespace_as_suffix = field.value != 0;
    if (field.number == 35) model->byte_fallback = field.value != 0;
    if (field.number == 41) model->bos_id = field.value;
    if (field.number == 42) model->eos_id = field.value;
    return absl::OkStatus();
  });
}

absl::Status ReadNormalizer(std::string_view wire, Model* model) {
  return ForEachField(wire, [&](const WireField& field) {
    if (field.number == 1) model->normalizer = std::string(field.bytes);
    if (field.number == 2) model->has_charsmap = !field.bytes.empty();
    if (field.number == 3) model->dummy_prefix = field.value != 0;
    if (field.number == 4) model->remove_extra_whitespaces = field.value != 0;
    if (field.number == 5) model->escape_whitespaces = field.value != 0;
    return absl::OkStatus();
  });
}

absl::Status CheckSupported(const Model& model) {
  const auto refuse = [](const std::string& what) {
    return absl::InvalidArgumentError(
        absl::StrCat(what, " is not supported; save a tokenizer.json with transformers"));
  };
  if (model.pieces.empty()) return Damaged();
  if (model.model_type != 2) {
    return refuse(absl::StrCat("SentencePiece model type ", model.model_type, " (BPE is 2)"));
  }
  if (model.has_charsmap) return refuse("SentencePiece normalizer \"" + model.normalizer + "\"");
  if (model.remove_extra_whitespaces) return refuse("remove_extra_whitespaces of SentencePiece");
  if (model.whitespace_as_suffix) return refuse("treat_whitespace_as_suffix of SentencePiece");
  if (!model.escape_whitespaces) return refuse("escape_whitespaces: false of SentencePiece");
  for (const Piece& piece : model.pieces) {
    const bool known = piece.type >= kNormal && piece.type <= kByte && piece.type != kUnused;
    const bool spaced = piece.type == kUserDefined && piece.text.find(kSpace) != std::string::npos;
    if (!known || spaced) {
      return refuse(absl::StrCat("piece \"", piece.text, "\" of type ", piece.type));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<Model> ReadModel(std::string_view wire) {
  Model model;
  RETURN_IF_ERROR(ForEachField(wire, [&](const WireField& field) {
    if (field.number == 1) return ReadPiece(field.bytes, &model);
    if (field.number == 2) return ReadTrainer(field.bytes, &model);
    if (field.number == 3) return ReadNormalizer(field.bytes, &model);
    return absl::OkStatus();
  }));
  RETURN_IF_ERROR(CheckSupported(model));
  return model;
}

// SentencePiece merges the two neighbours whose union has the highest score. As pairs in order of
// rank: for every piece each way to cut it into two pieces, in the order that transformers gives
// them (generate_merges in convert_slow_tokenizer.py).
json MergesOf(const Model& model) {
  struct Merge {
    float score;
    size_t left_length;  // characters
    size_t right_length;
    std::string left;
    std::string right;
  };
  std::map<std::string, int64_t, std::less<>> ids;
  for (const Piece& piece : model.pieces) {
    if (piece.type == kNormal) ids.emplace(piece.text, static_cast<int64_t>(ids.size()));
  }
  const auto length = [](std::string_view text) {
    return std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; });
  };
  std::vector<Merge> merges;
  for (const Piece& piece : model.pieces) {
    if (piece.type != kNormal) continue;
    std::vector<std::tuple<int64_t, int64_t, Merge>> cuts;
    const std::string_view text = piece.text;
    for (size_t i = Utf8Length(text[0]); i < text.size(); i += Utf8Length(text[i])) {
      const auto left = ids.find(text.substr(0, i));
      const auto right = ids.find(text.substr(i));
      if (left == ids.end() || right == ids.end()) continue;
      cuts.emplace_back(
          left->second, right->second,
          Merge{piece.score, static_cast<size_t>(length(left->first)),
                static_cast<size_t>(length(right->first)), left->first, right->first});
    }
    std::sort(cuts.begin(), cuts.end(), [](const auto& a, const auto& b) {
      return std::pair(std::get<0>(a), std::get<1>(a)) < std::pair(std::get<0>(b), std::get<1>(b));
    });
    for (auto& cut : cuts) merges.push_back(std::move(std::get<2>(cut)));
  }
  std::stable_sort(merges.begin(), merges.end(), [](const Merge& a, const Merge& b) {
    return std::tie(a.score, a.left_length, a.right_length) >
           std::tie(b.score, b.left_length, b.right_length);
  });
  json list = json::array();
  for (const Merge& merge : merges) list.push_back({merge.left, merge.right});
  return list;
}

json TextSettings(const Model& model) {
  const json to_piece = {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", kSpace}};
  const json to_space = {{"type", "Replace"}, {"pattern", {{"String", kSpace}}}, {"content", " "}};
  json normalizers = json::array();
  json decoders = {to_space, {{"type", "ByteFallback"}}, {{"type", "Fuse"}}};
  if (model.dummy_prefix) {
    normalizers.push_back({{"type", "Prepend"}, {"prepend", kSpace}});
    decoders.push_back({{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}});
  }
  normalizers.push_back(to_piece);
  return {{"normalizer", {{"type", "Sequence"}, {"normalizers", normalizers}}},
          {"decoder", {{"type", "Sequence"}, {"decoders", decoders}}}};
}

}  // namespace

absl::StatusOr<json> ReadSentencePiece(std::string_view wire, const json& config) {
  ASSIGN_OR_RETURN(const Model model, ReadModel(wire));
  json vocab = json::object();
  json added = json::array();
  json unknown;
  for (size_t id = 0; id < model.pieces.size(); ++id) {
    const Piece& piece = model.pieces[id];
    if (piece.text.empty() || vocab.contains(piece.text)) {
      return absl::InvalidArgumentError(
          absl::StrCat("piece ", id, " \"", piece.text, "\" is empty or there twice"));
    }
    vocab[piece.text] = id;
    if (piece.type == kUnknown) unknown = piece.text;
    if (piece.type == kUnknown || piece.type == kControl || piece.type == kUserDefined) {
      added.push_back({{"id", id}, {"content", piece.text}, {"normalized", false}});
    }
  }
  const auto text_of = [&](uint64_t id) -> json {
    return id < model.pieces.size() ? json(model.pieces[id].text) : json();
  };
  json file = TextSettings(model);
  file["added_tokens"] = added;
  ASSIGN_OR_RETURN(file["post_processor"],
                   AroundText(config, vocab, text_of(model.bos_id), text_of(model.eos_id),
                              /*add_bos=*/true));
  file["model"] = {{"type", "BPE"},
                   {"vocab", vocab},
                   {"unk_token", unknown},
                   {"fuse_unk", true},
                   {"merges", MergesOf(model)},
                   {"byte_fallback", model.byte_fallback}};
  return file;
}

}  // namespace rondo
