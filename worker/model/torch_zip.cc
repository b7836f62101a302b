#include "worker/model/torch_zip.h"

#include <cstring>
#include <map>
#include <span>
#include <stdexcept>
#include <string_view>
#include <utility>

#include <ATen/ATen.h>
#include <ATen/core/ivalue.h>
#include <caffe2/serialize/inline_container.h>
#include <caffe2/serialize/read_adapter_interface.h>
#include <torch/csrc/jit/serialization/unpickler.h>

#include "absl/strings/str_join.h"
#include "worker/model/catch_torch.h"

namespace rondo {
namespace {

using Bytes = std::span<const std::byte>;

constexpr char kPickle[] = "data.pkl";
constexpr char kStop = '.';                 // the last opcode
constexpr char kByteOrder[] = "byteorder";  // absent before PyTorch 2.1
// In the header that stands before each file of a zip: 0 is "stored" (PKWARE APPNOTE 4.3.7, 4.4.5).
constexpr size_t kMethodOffset = 8;

// LibTorch expects its callbacks to throw.
[[noreturn]] void Refuse(const std::string& why) { throw std::invalid_argument(why); }

class MappedAdapter final : public caffe2::serialize::ReadAdapterInterface {
 public:
  explicit MappedAdapter(Bytes bytes) : bytes_(bytes) {}
  size_t size() const override { return bytes_.size(); }
  size_t read(uint64_t position, void* out, size_t count, const char* what) const override {
    if (position > bytes_.size() || count > bytes_.size() - position) {
      Refuse(absl::StrCat("it is truncated: ", what, " needs bytes up to ", position + count));
    }
    if (count > 0) std::memcpy(out, bytes_.data() + position, count);
    return count;
  }

 private:
  const Bytes bytes_;
};

class Archive {
 public:
  explicit Archive(Bytes bytes) : bytes_(bytes), reader_(std::make_shared<MappedAdapter>(bytes)) {}

  bool Has(const std::string& name) { return reader_.hasRecord(name); }

  // A record as it lies in the file; LibTorch's reader checks neither of the two.
  Bytes Record(const std::string& name) {
    const size_t header = reader_.getRecordHeaderOffset(name);
    const size_t begin = reader_.getRecordOffset(name);
    const size_t size = reader_.getRecordSize(name);
    if (begin > bytes_.size() || size > bytes_.size() - begin) {
      Refuse(absl::StrCat("record ", name, " reaches beyond the end of the file"));
    }
    const Bytes method = bytes_.subspan(header + kMethodOffset, 2);
    if (method[0] != std::byte{0} || method[1] != std::byte{0}) {
      Refuse(absl::StrCat("record ", name, " is compressed, which torch.save never does"));
    }
    return bytes_.subspan(begin, size);
  }

 private:
  const Bytes bytes_;
  caffe2::serialize::PyTorchStreamReader reader_;
};

void CheckByteOrder(Archive& archive) {
  if (!archive.Has(kByteOrder)) return;
  const Bytes record = archive.Record(kByteOrder);
  const std::string order(reinterpret_cast<const char*>(record.data()), record.size());
  if (order != "little") Refuse(absl::StrCat("its byte order is ", order, "; little is supported"));
}

StorageType TypeOf(const at::Tensor& tensor, const std::string& name) {
  switch (tensor.scalar_type()) {
    case at::kBool: return StorageType::kBool;
    case at::kByte: return StorageType::kU8;
    case at::kChar: return StorageType::kI8;
    case at::kShort: return StorageType::kI16;
    case at::kInt: return StorageType::kI32;
    case at::kLong: return StorageType::kI64;
    case at::kHalf: return StorageType::kF16;
    case at::kBFloat16: return StorageType::kBF16;
    case at::kFloat: return StorageType::kF32;
    case at::kDouble: return StorageType::kF64;
    default:
      Refuse(absl::StrCat("tensor ", name, " has dtype ", at::toString(tensor.scalar_type()),
                          ", which is not supported"));
  }
}

// The pickle of an OrderedDict, such as a model's state_dict, as one of the pair (its type, a plain
// dict of the same entries); empty for any other pickle. LibTorch takes every OrderedDict for a
// tensor's hooks and throws it away. What torch.save writes for the two differs where the dict is
// made (")R" calls the type) and at the end, where an attribute "_metadata" may be set.
std::string AsPlainDict(std::string_view pickle) {
  constexpr std::string_view kType(
      "\x80\x02"
      "ccollections\nOrderedDict\nq\x00",
      29);
  constexpr std::string_view kCall = ")R";
  constexpr std::string_view kMetadata("X\x09\x00\x00\x00_metadata", 14);
  constexpr char kEmptyDict = '}';
  if (!pickle.starts_with(std::string(kType) + std::string(kCall))) return "";
  std::string entries(pickle.substr(kType.size() + kCall.size()));
  size_t end = entries.size() - 1;  // where the end of the pickle is said
  const size_t metadata = entries.rfind(kMetadata);
  // The attributes' dict stands before its first key, numbered in one byte or in four.
  for (const auto& [opcode, size] : {std::pair('q', size_t{2}), std::pair('r', size_t{5})}) {
    if (metadata == std::string::npos || metadata <= size) continue;
    const size_t dict = metadata - size - 1;
    if (entries[dict + 1] == opcode && entries[dict] == kEmptyDict) end = dict;
  }
  return std::string(kType) + kEmptyDict + entries.substr(0, end) + "\x86.";
}

// Unpickles the file's tensors without reading their data: their storages point into the mapping.
class TensorTable {
 public:
  explicit TensorTable(Bytes file) : file_(file), archive_(file) {}

  std::vector<StoredTensor> Read() {
    if (!archive_.Has(kPickle)) Refuse(absl::StrCat("it has no record ", kPickle));
    CheckByteOrder(archive_);
    const at::IValue root = UnpickleDict();
    if (!root.isGenericDict()) Refuse("it holds no dict of tensors");
    std::vector<StoredTensor> tensors;
    for (const auto& item : root.toGenericDict()) {
      if (!item.key().isString()) Refuse("a key of its dict is not a text");
      const std::string& name = item.key().toStringRef();
      if (!item.value().isTensor()) Refuse(absl::StrCat("entry ", name, " is not a tensor"));
      tensors.push_back(Locate(name, item.value().toTensor()));
    }
    return tensors;
  }

 private:
  at::IValue UnpickleDict() {
    const Bytes record = archive_.Record(kPickle);
    const std::string_view pickle(reinterpret_cast<const char*>(record.data()), record.size());
    const std::string plain = AsPlainDict(pickle);
    if (plain.empty()) return Unpickle(pickle);
    const at::IValue pair = Unpickle(plain);
    if (!pair.isTuple() || pair.toTupleRef().size() != 2) Refuse("its OrderedDict is damaged");
    return pair.toTupleRef().elements()[1];
  }

  at::IValue Unpickle(std::string_view pickle) {
    if (!pickle.ends_with(kStop)) Refuse("its pickle is cut off");
    const auto read = [&pickle](char* out, size_t count) {
      const size_t taken = pickle.copy(out, count);
      // A name without its end is looked for in all of LibTorch's buffer, filled or not.
      std::memset(out + taken, 0, count - taken);
      pickle.remove_prefix(taken);
      return taken;
    };
    const auto refuse_type = [](const c10::QualifiedName& name) -> c10::StrongTypePtr {
      Refuse(absl::StrCat("it holds an object of the Python type ", name.qualifiedName(),
                          "; only tensors and dicts are read"));
    };
    const auto storage = [this](const std::string& key) {
      const Bytes record = archive_.Record(absl::StrCat("data/", key));
      storages_[record.data()] = record.size();
      // Only Locate looks at the pointer, and never through it.
      return at::DataPtr(const_cast<std::byte*>(record.data()), at::kCPU);
    };
    torch::jit::Unpickler unpickler(read, refuse_type, nullptr, storage, at::kCPU);
    return unpickler.parse_ivalue();
  }

  // The unpickler takes sizes, strides and offsets as they are written: here they are checked.
  StoredTensor Locate(const std::string& name, const at::Tensor& tensor) const {
    StoredTensor stored{{name, TypeOf(tensor, name), {}}, 0};
    int64_t bytes = BytesOf(stored.info.type);
    for (const int64_t size : tensor.sizes()) {
      if (size < 0 || __builtin_mul_overflow(bytes, size, &bytes)) {
        Refuse(absl::StrCat("tensor ", name, " has shape [", absl::StrJoin(tensor.sizes(), ", "),
                            "], which is too large"));
      }
      stored.info.shape.push_back(size);
    }
    if (bytes == 0) return stored;
    if (!tensor.is_contiguous()) {
      Refuse(absl::StrCat("tensor ", name, " is not stored row by row (strides [",
                          absl::StrJoin(tensor.strides(), ", "), "])"));
    }
    const auto* begin = static_cast<const std::byte*>(tensor.storage().data());
    const auto storage = storages_.find(begin);
    const auto held = storage == storages_.end() ? 0 : static_cast<int64_t>(storage->second);
    int64_t offset = 0;
    if (__builtin_mul_overflow(tensor.storage_offset(), BytesOf(stored.info.type), &offset) ||
        offset < 0 || offset > held || bytes > held - offset) {
      Refuse(absl::StrCat("tensor ", name, " needs ", bytes, " bytes from byte ", offset,
                          " of a record of ", held));
    }
    stored.offset = (begin - file_.data()) + offset;
    return stored;
  }

  const Bytes file_;
  Archive archive_;
  std::map<const std::byte*, size_t> storages_;  // where a record starts -> its bytes
};

}  // namespace

absl::StatusOr<std::vector<StoredTensor>> FindTorchTensors(const MappedFile& file) {
  const auto read = [&]() -> absl::StatusOr<std::vector<StoredTensor>> {
    return TensorTable(file.bytes()).Read();
  };
  auto tensors = CatchTorch(file.path(), read);
  if (!absl::IsInternal(tensors.status())) return tensors;
  const std::string message(tensors.status().message());
  return absl::InvalidArgumentError(message.substr(0, message.find('\n')));
}

}  // namespace rondo
