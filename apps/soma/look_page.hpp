#pragma once

#include <string>
#include <vector>

#include "neuron_study.hpp"
#include "picture.hpp"

// What the pages of soma inspect --neuron, --sample and --gallery are made of.

/// A page that needs nothing else. `sections`: title and body of each; they are linked at the top.
struct LookPage {
  std::string title, lead;
  std::vector<std::pair<std::string, std::string>> tiles;  ///< value and what it is
  struct Section {
    std::string title, body;
  };
  std::vector<Section> sections;
  std::string html() const;
};

/// A named bar for each value as inline SVG, from 0 to the right, or to the left below 0.
std::string named_bars(const std::string& title, const std::string& axis,
                       const std::vector<std::string>& names, const std::vector<double>& values);
/// What colour means: the ends of the scale of signed_map() or heat().
std::string signed_key(double most);
std::string heat_key(const std::string& most);
/// <figure> with a caption above and a note below; both may be empty.
std::string figure(const std::string& caption, const std::string& body,
                   const std::string& note = "");

/// One sample as a person would look at it, `width` pixels wide if it is an image, with a field's
/// box drawn on it; null: none.
std::string drawn_sample(const Subject& subject, std::span<const float> values,
                         const soma::ReceptiveField* field, double width, const std::string& alt);
/// An image's part within the box of a field; "" where that is all of it or there is no image.
std::string drawn_patch(const Subject& subject, std::span<const float> values,
                        const soma::ReceptiveField& field, double width, const std::string& alt);
/// An image of the subject's kind as a picture.
Picture photograph_of(const Subject& subject, std::span<const float> values);
/// An outline at the box of an image's field, over an <img>.
std::string outlined(const std::string& image, const soma::ReceptiveField& field);
