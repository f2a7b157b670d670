#pragma once

#include "soma/neuron/hebb_unit.hpp"
#include "soma/neuron/influence.hpp"
#include "soma/neuron/layer_probe.hpp"
#include "soma/neuron/leaky_integrate_and_fire.hpp"
#include "soma/neuron/loss_probe.hpp"
#include "soma/neuron/maximise.hpp"
#include "soma/neuron/mcculloch_pitts.hpp"
#include "soma/neuron/neuron.hpp"
#include "soma/neuron/neuron_view.hpp"
#include "soma/neuron/perceptron.hpp"
#include "soma/neuron/responses.hpp"
#include "soma/neuron/sigmoid_neuron.hpp"
