"""From the user's files to accepted photos and square crops of the sitter."""

from portraitist.photos.archives import opened
from portraitist.photos.check import CheckedPhoto, PhotoCheck, check_photos
from portraitist.photos.crops import Crop, face_crop, random_crops
from portraitist.photos.cut import CutPhoto, CutPlan, cut_photo, cut_subject
from portraitist.photos.intake import find_photos
from portraitist.photos.pets import check_pets, subject_crops
from portraitist.photos.quality import Limits

__all__ = [
    "CheckedPhoto",
    "Crop",
    "CutPhoto",
    "CutPlan",
    "Limits",
    "PhotoCheck",
    "check_pets",
    "check_photos",
    "cut_photo",
    "cut_subject",
    "face_crop",
    "find_photos",
    "opened",
    "random_crops",
    "subject_crops",
]
