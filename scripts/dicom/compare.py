#!/usr/bin/env python3
"""Compares our reading of DICOM files with pydicom's, over all image files of pydicom's package.

    pip install pydicom pylibjpeg pylibjpeg-libjpeg pylibjpeg-openjpeg numpy pillow
    cargo build -p miss-data --features dicom --example decode
    python scripts/dicom/compare.py target/debug/examples/decode [FILE...]

pydicom decodes the middle frame and applies rescale and window; only the last step, to 8 bits, is
done here by the rule that `decode_dicom` documents. Prints a Markdown table; exits with 1 if a file
that both read differs by more than one level, or three in lossy colour, where the JPEG decoders'
conversion from luma and colour differences differs.
"""

import glob
import logging
import os
import subprocess
import sys
import tempfile
import warnings

import numpy as np
import pydicom
from PIL import Image
from pydicom.pixels import apply_color_lut, apply_modality_lut, apply_voi_lut, pixel_array

LOSSY_JPEG = {"1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51"}


def expected(path):
    """8-bit RGB of the middle frame of a file."""
    return rendered(pydicom.dcmread(path, force=True))


def rendered(ds):
    """8-bit RGB of the middle frame of a data set."""
    frames = int(ds.get("NumberOfFrames", 1) or 1)
    stored = pixel_array(ds, index=frames // 2)
    photometric = ds.PhotometricInterpretation
    if photometric == "PALETTE COLOR":
        bits = ds.RedPaletteColorLookupTableDescriptor[2]
        return scaled(apply_color_lut(stored, ds), 2**bits - 1)
    if ds.SamplesPerPixel == 3:
        return scaled(stored, 2**ds.BitsStored - 1)
    padding = np.zeros(stored.shape, bool)
    if "PixelPaddingValue" in ds:
        limits = [ds.PixelPaddingValue, ds.get("PixelPaddingRangeLimit", ds.PixelPaddingValue)]
        padding = (stored >= min(limits)) & (stored <= max(limits))
    values = apply_modality_lut(stored, ds)
    if "VOILUTSequence" in ds:
        low, high = 0, 2 ** ds.VOILUTSequence[0].LUTDescriptor[2] - 1
        values = apply_voi_lut(values.astype(np.int32), ds)
    elif "WindowWidth" in ds and "WindowCenter" in ds:
        low = -(2 ** (ds.BitsStored - 1)) if ds.PixelRepresentation == 1 else 0
        high = low + 2**ds.BitsStored - 1
        if "ModalityLUTSequence" in ds:
            low, high = 0, 2 ** ds.ModalityLUTSequence[0].LUTDescriptor[2] - 1
        slope, intercept = ds.get("RescaleSlope", 1), ds.get("RescaleIntercept", 0)
        low, high = low * slope + intercept, high * slope + intercept
        values = apply_voi_lut(values, ds)
    elif ds.BitsStored <= 8:
        low, high = 0, 2**ds.BitsStored - 1
    else:
        low, high = values[~padding].min(), values[~padding].max()
    grey = scaled((values.astype(np.float64) - low).clip(0), max(high - low, 1e-9))
    if photometric == "MONOCHROME1":
        grey = 255 - grey
    grey[padding] = 0
    return np.repeat(grey[..., None], 3, axis=2)


def scaled(values, highest):
    return np.floor(values.astype(np.float64) * 255 / highest + 0.5).clip(0, 255).astype(np.uint8)


def main():
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    decode, files = sys.argv[1], sys.argv[2:]
    if not files:
        base = os.path.join(os.path.dirname(pydicom.__file__), "data")
        files = sorted(path for path in glob.glob(base + "/**/*", recursive=True) if os.path.isfile(path))
        files = [path for path in files if path.endswith(".dcm") or open(path, "rb").read(132)[128:] == b"DICM"]
    with tempfile.TemporaryDirectory() as folder:
        run = subprocess.run([decode, folder, *files], capture_output=True, text=True, check=True)
        told = dict(line.split("\t", 1) for line in run.stdout.splitlines())
        print("| file | transfer syntax | pixels | bits | largest difference | differing | note |")
        print("|---|---|---|---|---|---|---|")
        worse, compared, ours_only, theirs_only, neither = [], 0, 0, 0, 0
        for index, path in enumerate(files):
            name, ours = os.path.basename(path), os.path.join(folder, f"{index}.png")
            try:
                theirs = expected(path)
            except Exception as error:
                if str(index) in told:
                    neither += 1
                else:
                    ours_only += 1
                    print(f"| {name} | | | | | | only we read it: {str(error)[:80]} |")
                continue
            ds = pydicom.dcmread(path, force=True)
            meta = getattr(ds, "file_meta", {})
            syntax = str(meta.get("TransferSyntaxUID", "-"))
            about = f"| {name} | {syntax} | {theirs.shape[1]} x {theirs.shape[0]} | {ds.BitsStored} |"
            if str(index) in told:
                theirs_only += 1
                print(f"{about} | | not read: {told[str(index)].split(': ', 1)[-1].split(' has the ')[-1][:90]} |")
                continue
            pixels = np.asarray(Image.open(ours).convert("RGB"))
            if pixels.shape != theirs.shape:
                worse.append(name)
                print(f"{about} | | other size: {pixels.shape} |")
                continue
            difference = np.abs(pixels.astype(int) - theirs.astype(int))
            compared += 1
            lossy_colour = syntax in LOSSY_JPEG and ds.SamplesPerPixel == 3
            if difference.max() > (3 if lossy_colour else 1):
                worse.append(name)
            print(f"{about} {difference.max()} | {np.mean(difference > 0):.2%} | |")
    print(f"\n{len(files)} files; compared {compared}, of them beyond the limit {len(worse)}: {' '.join(worse) or 'none'};"
          f" read by us alone {ours_only}, by pydicom alone {theirs_only}, by neither {neither}.")
    sys.exit(bool(worse))



if __name__ == "__main__":
    main()
