#include "sources/ebpf/process_service_name.h"

#include <algorithm>
#include <array>
#include <span>

#include "engine/base/ascii.h"

namespace weft::ebpf {
namespace {

using Arguments = std::span<const std::string_view>;

std::string_view BaseName(std::string_view path) {
  while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
  const size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

std::string_view DirectoryOf(std::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string_view() : path.substr(0, slash);
}

std::string_view WithoutExtension(std::string_view name) {
  const size_t dot = name.rfind('.');
  return dot == std::string_view::npos || dot == 0 ? name : name.substr(0, dot);
}

bool IsOneOf(std::string_view word, std::initializer_list<std::string_view> words) {
  return std::ranges::find(words, word) != words.end();
}

// "python3.11" and "ruby2.7" are python and ruby.
std::string_view WithoutVersion(std::string_view name) {
  while (!name.empty() && (IsDigit(name.back()) || name.back() == '.' || name.back() == '-'))
    name.remove_suffix(1);
  return name;
}

// A script called main or app says less than the folder it lies in.
std::string_view NameOfScript(std::string_view path, std::string_view directory) {
  const std::string_view stem = WithoutExtension(BaseName(path));
  if (!IsOneOf(stem,
               {"main", "index", "server", "__main__", "manage", "wsgi", "asgi", "run", "cli"}))
    return stem;
  std::string_view folder = DirectoryOf(path);
  if (folder.empty()) folder = directory;
  folder = BaseName(folder);
  while (IsOneOf(folder, {"src", "dist", "bin", "lib", "build", "app"})) {
    const size_t at = path.rfind(folder);
    const std::string_view outer =
        at == std::string_view::npos || at == 0 ? std::string_view() : path.substr(0, at - 1);
    if (outer.empty() || BaseName(outer) == folder) break;
    folder = BaseName(outer);
  }
  return folder.empty() || folder == "/" || folder == "." ? stem : folder;
}

// The first argument that is not an option; those in `with_value` take the next one with them.
std::string_view FirstOperand(Arguments arguments,
                              std::initializer_list<std::string_view> with_value) {
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string_view a = arguments[i];
    if (a == "--") return i + 1 < arguments.size() ? arguments[i + 1] : std::string_view();
    if (!a.starts_with('-') || a.size() == 1) return a;
    if (IsOneOf(a, with_value)) ++i;
  }
  return {};
}

// gunicorn shop.cart:app, uvicorn cart:app
std::string_view ModuleOf(std::string_view operand) {
  return operand.substr(0, operand.find_first_of(":("));
}

std::string_view FromServerOfModules(Arguments arguments) {
  for (const std::string_view a : arguments) {
    if (!a.starts_with('-') && a.find(':') != std::string_view::npos && IsAlpha(a[0]) &&
        a.find('/') == std::string_view::npos)
      return ModuleOf(a);
  }
  return {};
}

bool IsServerOfModules(std::string_view name) {
  return IsOneOf(name, {"gunicorn", "uvicorn", "hypercorn", "daphne", "granian"});
}

std::string_view FromPython(Arguments arguments, std::string_view directory) {
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string_view a = arguments[i];
    if (a == "-c") return {};
    if (a == "-W" || a == "-X") {
      ++i;
      continue;
    }
    std::string_view program;
    bool module = false;
    // -m may close a group of flags, and its value may follow it directly.
    if (a.starts_with('-') && !a.starts_with("--")) {
      const size_t m = a.find('m');
      if (m == std::string_view::npos) continue;
      module = true;
      program = a.substr(m + 1);
      if (program.empty() && ++i < arguments.size()) program = arguments[i];
    } else if (a.starts_with('-')) {
      continue;
    } else {
      program = a;
    }
    const std::string_view name = BaseName(program);
    const Arguments rest = arguments.subspan(std::min(i + 1, arguments.size()));
    if (IsServerOfModules(name)) {
      const std::string_view served = FromServerOfModules(rest);
      return served.empty() ? name : served;
    }
    if (name == "flask" || name == "celery") {
      for (size_t k = 0; k + 1 < rest.size(); ++k)
        if (rest[k] == "--app" || rest[k] == "-A") return WithoutExtension(ModuleOf(rest[k + 1]));
      return name;
    }
    return module ? program : NameOfScript(program, directory);
  }
  return {};
}

std::string_view FromJava(Arguments arguments) {
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string_view a = arguments[i];
    if (a == "-jar")
      return i + 1 < arguments.size() ? WithoutExtension(BaseName(arguments[i + 1])) : "";
    if (IsOneOf(a, {"-cp", "-classpath", "--class-path", "-p", "--module-path", "--add-modules"})) {
      ++i;
      continue;
    }
    if (IsOneOf(a, {"-m", "--module"})) {
      if (i + 1 >= arguments.size()) return {};
      const std::string_view target = arguments[i + 1];
      return target.substr(0, target.find('/'));
    }
    if (a.starts_with('-') || a.starts_with('@')) continue;
    const size_t dot = a.rfind('.');  // com.shop.Cart
    return dot == std::string_view::npos ? a : a.substr(dot + 1);
  }
  return {};
}

std::string_view FromInterpreter(std::string_view interpreter, Arguments arguments,
                                 std::string_view directory) {
  if (interpreter.starts_with("python") || interpreter.starts_with("pypy"))
    return FromPython(arguments, directory);
  if (interpreter == "java") return FromJava(arguments);
  if (IsOneOf(interpreter, {"node", "nodejs", "bun", "deno", "ts-node"})) {
    Arguments rest = arguments;
    if (!rest.empty() && (interpreter == "deno" || interpreter == "bun") && rest[0] == "run")
      rest = rest.subspan(1);
    return NameOfScript(FirstOperand(rest, {"-r", "--require", "--import", "--loader", "-e", "-p"}),
                        directory);
  }
  if (interpreter == "dotnet") {
    Arguments rest = arguments;
    if (!rest.empty() && rest[0] == "exec") rest = rest.subspan(1);
    return WithoutExtension(BaseName(FirstOperand(rest, {})));
  }
  if (IsOneOf(interpreter, {"ruby", "perl", "php", "lua", "luajit", "Rscript", "escript"}))
    return NameOfScript(FirstOperand(arguments, {"-I", "-r", "-e", "-c", "-d"}), directory);
  if (IsOneOf(interpreter, {"sh", "bash", "dash", "zsh", "ash", "busybox"}))
    return NameOfScript(FirstOperand(arguments, {"-c", "-o"}), directory);
  return {};
}

}  // namespace

std::string ServiceNameFromCommand(std::string_view executable,
                                   const std::vector<std::string_view>& arguments,
                                   std::string_view directory) {
  constexpr std::string_view kDeleted = " (deleted)";
  if (executable.ends_with(kDeleted)) executable.remove_suffix(kDeleted.size());
  const std::string_view binary = BaseName(executable);
  const std::string_view interpreter = WithoutVersion(binary);
  std::string_view name;
  if (arguments.size() > 1)
    name = FromInterpreter(interpreter, Arguments(arguments).subspan(1), directory);
  if (name.empty()) name = binary;
  if (name.empty() && !arguments.empty()) {
    // Kernel-style titles: "nginx: worker process", "redis-server 127.0.0.1:6379".
    const std::string_view title = arguments[0].substr(0, arguments[0].find_first_of(" :"));
    name = BaseName(title);
  }
  // redis-server is a link to redis-check-rdb on Debian: there argv[0] tells which one it is.
  if (name == binary && !arguments.empty() && !interpreter.empty()) {
    const std::string_view called =
        BaseName(arguments[0].substr(0, arguments[0].find_first_of(" :")));
    if (IsOneOf(binary, {"redis-check-rdb", "busybox", "redis-check-aof"}) && !called.empty())
      name = called;
  }
  return std::string(name);
}

}  // namespace weft::ebpf
