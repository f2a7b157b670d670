/* A host as it was when the ABI was 1.0: it knows the header of then (folder 1_0), says so to every
 * plugin it loads, and uses backends and activations as far as that header goes. Each struct it
 * hands over ends where its page ends, and the next page cannot be read: a plugin that looks past
 * struct_size ends this program. Usage: host_1_0 PLUGIN...; prints a line for each, exits 1 at the
 * first that does not work. */
#define _DEFAULT_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "soma/abi.h"

static const char* file; /* that is being tried */

static void fail(const char* what, const char* why) {
  fprintf(stderr, "%s: %s: %s\n", file, what, why);
  exit(1);
}

/* A copy whose last byte is the last that can be read. Never freed. */
static void* at_the_edge(const void* bytes, size_t size) {
  const size_t page = (size_t)sysconf(_SC_PAGESIZE);
  char* pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED || mprotect(pages + page, page, PROT_NONE) != 0) {
    fail("mmap", "no memory");
  }
  return memcpy(pages + page - size, bytes, size);
}
#define EDGE(type, ...) ((type*)at_the_edge(&(type){sizeof(type), 1, 0, __VA_ARGS__}, sizeof(type)))

static char sentence[512];
static soma_text why = {sentence, sizeof sentence};

static void check(soma_status status, const char* what) {
  if (status != SOMA_OK) fail(what, sentence);
}

/* Runs relu on eight numbers. */
static void run_relu(const soma_backend* backend, soma_context* context) {
  const float x[8] = {-3, -2, -1, 0, 1, 2, 3, 4}, expected[8] = {0, 0, 0, 0, 1, 2, 3, 4};
  float y[8] = {9, 9, 9, 9, 9, 9, 9, 9};
  const soma_tensor tensor = {SOMA_F32, 2, {2, 4}};
  const soma_op* op = EDGE(soma_op, "relu/1.fwd", at_the_edge(&tensor, sizeof tensor),
                           at_the_edge(&tensor, sizeof tensor), NULL, 1, 1, 0, SOMA_INFER);
  soma_kernel* kernel = NULL;
  soma_kernel_info* info = EDGE(soma_kernel_info, 0);
  check(backend->supports(context, op, &why), "supports");
  check(backend->prepare(context, op, &kernel, info, &why), "prepare");

  const void* inputs[] = {x};
  void* outputs[] = {y};
  void *pack = NULL, *workspace = NULL;
  if (info->workspace_bytes > 0) {
    workspace = aligned_alloc(64, (info->workspace_bytes + 63) / 64 * 64);
  }
  if (info->pack_bytes > 0) pack = aligned_alloc(64, (info->pack_bytes + 63) / 64 * 64);
  soma_exec* exec = EDGE(soma_exec, 2, 0, inputs, outputs, workspace, pack);
  if (pack != NULL) check(backend->pack(kernel, exec, pack, &why), "pack");
  check(backend->execute(kernel, exec, &why), "execute");
  if (memcmp(y, expected, sizeof y) != 0) fail("relu", "wrong numbers");
  backend->release(kernel);
  free(workspace);
  free(pack);
}

static void use_backend(const soma_backend* backend) {
  if (backend->struct_size < sizeof(soma_backend) || backend->major != 1) {
    fail(backend->name, "not a table of ABI 1.x");
  }
  for (int32_t numerics = SOMA_NUMERICS_FAST; numerics <= SOMA_NUMERICS_EXACT; ++numerics) {
    soma_context* context = NULL;
    check(backend->open(EDGE(soma_backend_options, numerics, 0), &context, &why), "open");
    run_relu(backend, context);
    backend->close(context);
  }
}

static void use_activation(const soma_activation* activation) {
  if (activation->struct_size < sizeof(soma_activation) || activation->major != 1) {
    fail(activation->name, "not a table of ABI 1.x");
  }
  /* What this host does not know, e.g. an activation with parameters, lacks the functions that it
   * does know. */
  if (activation->forward_f32 == NULL || activation->forward_f64 == NULL) return;
  const float x[3] = {-1, 0.5f, 2};
  const double x64[3] = {-1, 0.5, 2};
  float y[3];
  double y64[3];
  activation->forward_f32(x, y, 3);
  activation->forward_f64(x64, y64, 3);
  for (int i = 0; i < 3; ++i) {
    const double off = y[i] - y64[i];
    if (!(off > -1e-5 && off < 1e-5)) fail(activation->name, "float32 and float64 differ");
  }
}

int main(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    file = argv[i];
    void* library = dlopen(file, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (library == NULL) fail("dlopen", dlerror());
    soma_plugin_entry_fn entry;
    *(void**)&entry = dlsym(library, SOMA_PLUGIN_ENTRY);
    if (entry == NULL) fail(SOMA_PLUGIN_ENTRY, "missing");
    const soma_plugin* plugin = NULL;
    check(entry(EDGE(soma_host, "0.1.0"), &plugin, &why), "entry");
    if (plugin->struct_size < sizeof(soma_plugin) || plugin->major != 1) {
      fail(plugin->name, "not a table of ABI 1.x");
    }
    for (int32_t k = 0; k < plugin->backend_count; ++k) use_backend(plugin->backends[k]);
    for (int32_t k = 0; k < plugin->activation_count; ++k) use_activation(plugin->activations[k]);
    printf("%s: %s (written for ABI 1.%d), %d backends, %d activations\n", file, plugin->name,
           plugin->minor, plugin->backend_count, plugin->activation_count);
  }
  return argc > 1 ? 0 : 2;
}
