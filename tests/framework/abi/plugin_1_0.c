/* A plugin as it was written when the ABI was 1.0: a backend with relu, an activation that doubles.
 * It is compiled with the header of then, in folder 1_0, and every later host of major version 1
 * must run it. Neither file changes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "soma/abi.h"

__attribute__((section(SOMA_ABI_SECTION), used)) static const char abi_tag[] = "";
__attribute__((section(SOMA_ISA_SECTION_X86_64), used)) static const char isa_tag[] = "";

struct soma_context {
  int opened;
};
struct soma_kernel {
  int64_t n;
};

static const char* const op_ids[] = {"relu/1.fwd"};

static soma_status open_backend(const soma_backend_options* options, soma_context** context,
                                soma_text* why) {
  (void)why;
  if (options->struct_size < sizeof *options) return SOMA_INVALID;
  *context = calloc(1, sizeof **context);
  return *context != NULL ? SOMA_OK : SOMA_NO_MEMORY;
}
static void close_backend(soma_context* context) { free(context); }

static soma_status supports(soma_context* context, const soma_op* op, soma_text* why) {
  (void)context;
  if (op->struct_size >= sizeof *op && strcmp(op->id, op_ids[0]) == 0) return SOMA_OK;
  if (why != NULL) snprintf(why->data, why->capacity, "only relu/1.fwd");
  return SOMA_UNSUPPORTED;
}
static soma_status prepare(soma_context* context, const soma_op* op, soma_kernel** kernel,
                           soma_kernel_info* info, soma_text* why) {
  const soma_status status = supports(context, op, why);
  if (status != SOMA_OK) return status;
  if (info->struct_size < sizeof *info) return SOMA_INVALID;
  *kernel = malloc(sizeof **kernel);
  if (*kernel == NULL) return SOMA_NO_MEMORY;
  (*kernel)->n = 1;
  for (int32_t i = 0; i < op->inputs[0].rank; ++i) (*kernel)->n *= op->inputs[0].dims[i];
  info->exactness = SOMA_EXACT;
  info->packed_inputs = 0;
  info->workspace_bytes = 64;
  info->pack_bytes = 0;
  info->implementation = "as of 1.0";
  return SOMA_OK;
}
static soma_status execute(const soma_kernel* kernel, const soma_exec* exec, soma_text* why) {
  const float* x = exec->inputs[0];
  float* y = exec->outputs[0];
  (void)why;
  if (exec->struct_size < sizeof *exec || exec->workspace == NULL) return SOMA_INVALID;
  for (int64_t i = 0; i < kernel->n; ++i) y[i] = x[i] <= 0 ? 0 : x[i];
  return SOMA_OK;
}
static void release(soma_kernel* kernel) { free(kernel); }
static soma_status parallel_for(soma_context* context, int32_t threads, int64_t n, int64_t grain,
                                soma_range_fn fn, void* argument) {
  (void)context;
  (void)threads;
  (void)grain;
  fn(argument, 0, n);
  return SOMA_OK;
}

static const soma_backend backend = {sizeof backend,
                                     SOMA_ABI_MAJOR,
                                     SOMA_ABI_MINOR,
                                     "of_1_0",
                                     "relu of ABI 1.0",
                                     "serial",
                                     op_ids,
                                     1,
                                     0,
                                     open_backend,
                                     close_backend,
                                     supports,
                                     prepare,
                                     NULL,
                                     execute,
                                     release,
                                     parallel_for};
static const soma_backend* const backends[] = {&backend};

static void forward_f32(const float* x, float* y, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] = 2 * x[i];
}
static void backward_f32(const float* x, const float* grad_y, float* grad_x, int64_t n) {
  (void)x;
  for (int64_t i = 0; i < n; ++i) grad_x[i] = 2 * grad_y[i];
}
static void forward_f64(const double* x, double* y, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] = 2 * x[i];
}
static void backward_f64(const double* x, const double* grad_y, double* grad_x, int64_t n) {
  (void)x;
  for (int64_t i = 0; i < n; ++i) grad_x[i] = 2 * grad_y[i];
}
static const soma_activation activation = {sizeof activation, SOMA_ABI_MAJOR, SOMA_ABI_MINOR,
                                           "double_of_1_0",   "2 x",          forward_f32,
                                           backward_f32,      forward_f64,    backward_f64};
static const soma_activation* const activations[] = {&activation};

static const soma_plugin plugin = {
    sizeof plugin, SOMA_ABI_MAJOR, SOMA_ABI_MINOR, "of 1.0", "1.0", backends, activations, 1, 1};

__attribute__((visibility("default"))) soma_status soma_plugin_entry_v1(const soma_host* host,
                                                                        const soma_plugin** out,
                                                                        soma_text* why) {
  (void)why;
  if (host->struct_size < sizeof *host || host->major != SOMA_ABI_MAJOR) return SOMA_INVALID;
  *out = &plugin;
  return SOMA_OK;
}
