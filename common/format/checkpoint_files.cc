#include "common/format/checkpoint_files.h"

#include <array>
#include <fstream>
#include <set>

#include "common/format/json.h"
#include "common/io/file.h"

namespace rondo {
namespace {

constexpr char kIndexSuffix[] = ".index.json";
constexpr char kZipMagic[] = "PK\x03\x04";

struct Form {
  CheckpointForm form;
  const char* file;
};
// The first that is there is read.
constexpr std::array kForms = {Form{CheckpointForm::kSafetensors, "model.safetensors"},
                               Form{CheckpointForm::kTorch, "pytorch_model.bin"}};

struct Foreign {
  const char* suffix;
  const char* load;  // what to call before save_pretrained
};
constexpr std::array kForeign = {
    Foreign{".gguf",
            "AutoModelForCausalLM.from_pretrained(folder, gguf_file=name) of transformers"},
    Foreign{".h5", "AutoModelForCausalLM.from_pretrained(folder, from_tf=True) of transformers 4"},
    Foreign{".msgpack",
            "AutoModelForCausalLM.from_pretrained(folder, from_flax=True) of transformers 4"},
    Foreign{".onnx",
            "AutoModelForCausalLM.from_pretrained(folder) of transformers on the folder "
            "that the ONNX file was exported from"},
    Foreign{".pth", "convert_llama_weights_to_hf.py of transformers 4"},
    Foreign{".pt", "the program that wrote it, into a model of transformers"},
    Foreign{".ckpt", "the program that wrote it, into a model of transformers"},
    Foreign{".bin", "the program that wrote it, into a model of transformers"},
    Foreign{".safetensors", "the program that wrote it, into a model of transformers"},
};

std::string HowToConvert(const std::string& load) {
  return absl::StrCat("load it with ", load,
                      " and call save_pretrained(new_folder), which writes model.safetensors");
}

// Why a folder without a checkpoint of ours has none.
absl::Status NoCheckpoint(const std::string& dir) {
  ASSIGN_OR_RETURN(const std::vector<std::string> names, ListFiles(dir));
  for (const Foreign& foreign : kForeign) {
    for (const std::string& name : names) {
      if (!name.ends_with(foreign.suffix)) continue;
      return absl::InvalidArgumentError(
          absl::StrCat(dir, " holds ", name, ", which is not a form of checkpoint that is read; ",
                       HowToConvert(foreign.load)));
    }
  }
  return absl::NotFoundError(absl::StrCat(
      dir, " holds neither model.safetensors nor pytorch_model.bin, nor the index of one"));
}

// Tensor name -> file name of the shard that holds it.
absl::StatusOr<std::map<std::string, std::string>> ReadWeightMap(const std::string& path) {
  ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  ASSIGN_OR_RETURN(const nlohmann::json index, ParseJsonObject(text, path));
  const auto it = index.find("weight_map");
  if (it == index.end() || !it->is_object()) {
    return absl::InvalidArgumentError(absl::StrCat(path, " has no object \"weight_map\""));
  }
  std::map<std::string, std::string> weight_map;
  for (const auto& [name, shard] : it->items()) {
    if (!shard.is_string()) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ": tensor ", name, " has no shard name"));
    }
    const std::string shard_name = shard.get<std::string>();
    RETURN_IF_ERROR(
        ValidateFileName(absl::StrCat(path, ": the shard of tensor ", name), shard_name));
    weight_map[name] = shard_name;
  }
  return weight_map;
}

absl::StatusOr<CheckpointFiles> ReadIndex(const std::string& dir, CheckpointForm form,
                                          const std::string& index) {
  ASSIGN_OR_RETURN(const auto weight_map, ReadWeightMap(index));
  CheckpointFiles files{form, index, {}, {}};
  std::set<std::string> shards;
  for (const auto& [tensor, shard] : weight_map) {
    const std::string path = JoinPath(dir, shard);
    files.shard_of[tensor] = path;
    if (!shards.insert(shard).second) continue;
    if (!FileExists(path)) {
      return absl::InvalidArgumentError(absl::StrCat(index, " names shard ", shard, " of tensor ",
                                                     tensor, ", which does not exist"));
    }
    files.paths.push_back(path);
  }
  return files;
}

// Every zip file of torch.save starts with a record; before PyTorch 1.6 it wrote bare pickles.
absl::Status CheckTorchFile(const std::string& path) {
  std::string magic(sizeof(kZipMagic) - 1, '\0');
  std::ifstream(path, std::ios::binary).read(magic.data(), static_cast<int64_t>(magic.size()));
  if (magic == kZipMagic) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(path, " is not in the zip format that torch.save writes since PyTorch 1.6; ",
                   HowToConvert("AutoModelForCausalLM.from_pretrained(folder) of transformers")));
}

}  // namespace

absl::StatusOr<int64_t> CheckpointFiles::bytes() const {
  int64_t total = 0;
  for (const std::string& path : paths) {
    ASSIGN_OR_RETURN(const int64_t bytes, FileSize(path));
    total += bytes;
  }
  return total;
}

absl::StatusOr<CheckpointFiles> FindCheckpoint(const std::string& dir) {
  if (!IsDirectory(dir)) return absl::NotFoundError(absl::StrCat(dir, " is not a folder"));
  for (const Form& form : kForms) {
    const std::string single = JoinPath(dir, form.file);
    const std::string index = single + kIndexSuffix;
    if (!FileExists(single) && !FileExists(index)) continue;
    CheckpointFiles files{form.form, "", {}, {single}};
    if (!FileExists(single)) {
      ASSIGN_OR_RETURN(files, ReadIndex(dir, form.form, index));
    }
    if (form.form == CheckpointForm::kTorch) {
      for (const std::string& path : files.paths) RETURN_IF_ERROR(CheckTorchFile(path));
    }
    return files;
  }
  return NoCheckpoint(dir);
}

}  // namespace rondo
